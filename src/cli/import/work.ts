/**
 * What an import has to send: files -> pieces of work, in an order in which references find their targets.
 *
 * A Bundle of type batch or transaction is one piece. NDJSON is cut into batches. Any other resource is a batch of one; a collection, document
 * or searchset Bundle is cut into batches of its entries' resources.
 */
import { createReadStream } from 'node:fs';
import { readdir, readFile, stat } from 'node:fs/promises';
import path from 'node:path';
import { createInterface } from 'node:readline';
import { parseJson, stringifyJson } from '../../base/json.js';

/** One request to the server. */
export interface Piece {
  /** `file`, or `file#line` for NDJSON: what progress and refusals are told by. */
  readonly name: string;
  /** Bundle to post, as text. */
  readonly bundle: string;
  readonly isTransaction: boolean;
  /** Name of each entry, e.g. `patients.ndjson line 7`, for refusals. */
  readonly entryNames: readonly string[];
  /** Where the file will go on, for resuming: number of lines or entries consumed. */
  readonly consumed: number;
}

/** How many resources of an NDJSON file or a collection share a batch. */
const batchSize = 100;

/** Files named, and those in folders named (*.json, *.ndjson), those that others refer to first. */
export async function filesToImport(names: readonly string[]): Promise<string[]> {
  const files: string[] = [];
  for (const name of names) {
    if ((await stat(name)).isDirectory()) {
      const inside = (await readdir(name, { recursive: true }))
        .filter((file) => /\.(nd)?json$/.test(file))
        .sort(byDependency);
      files.push(...inside.map((file) => path.join(name, file)));
    } else {
      files.push(name);
    }
  }
  return files;
}

/** True when others may have to wait for this file: organisations and practitioners. */
export function isPrerequisite(file: string): boolean {
  return /^(\d+-)?(hospital|practitioner|organization|location)/i.test(path.basename(file));
}

function byDependency(a: string, b: string): number {
  const rank = (file: string) => (!isPrerequisite(file) ? 2 : /practitioner/i.test(file) ? 1 : 0);
  return rank(a) - rank(b) || (a < b ? -1 : 1);
}

/**
 * Pieces of one file, from the place `consumed` on.
 * @throws Error naming the line, when the file is not what it should be.
 */
export async function* piecesOf(file: string, consumed: number): AsyncGenerator<Piece> {
  if (file.endsWith('.ndjson')) {
    yield* linePieces(file, consumed);
    return;
  }
  const text = await readFile(file, 'utf8');
  const resource = parseJson(text) as { resourceType?: string; type?: string; entry?: { resource?: unknown }[] };
  const isBundle = resource.resourceType === 'Bundle';
  if (isBundle && (resource.type === 'batch' || resource.type === 'transaction')) {
    if (consumed > 0) return;
    const entryNames = (resource.entry ?? []).map((_, index) => `${file} entry ${index}`);
    yield { name: file, bundle: text, isTransaction: resource.type === 'transaction', entryNames, consumed: 1 };
    return;
  }
  const resources = isBundle ? (resource.entry ?? []).map((entry) => entry.resource) : [resource];
  for (let from = consumed; from < resources.length; from += batchSize) {
    const part = resources.slice(from, from + batchSize);
    const entryNames = part.map((_, index) => (isBundle ? `${file} entry ${from + index}` : file));
    yield { name: file, bundle: batchOf(part), isTransaction: false, entryNames, consumed: from + part.length };
  }
}

async function* linePieces(file: string, consumed: number): AsyncGenerator<Piece> {
  const lines = createInterface({ input: createReadStream(file, 'utf8'), crlfDelay: Infinity });
  let number = 0;
  let resources: unknown[] = [];
  let entryNames: string[] = [];
  const piece = (): Piece => ({
    name: `${file}#${number}`,
    bundle: batchOf(resources),
    isTransaction: false,
    entryNames,
    consumed: number,
  });
  for await (const line of lines) {
    number += 1;
    if (number <= consumed || line.trim() === '') continue;
    try {
      resources.push(parseJson(line));
    } catch (error) {
      throw new Error(`${file} line ${number}: ${(error as Error).message}`);
    }
    entryNames.push(`${file} line ${number}`);
    if (resources.length === batchSize) {
      yield piece();
      resources = [];
      entryNames = [];
    }
  }
  if (resources.length > 0) yield piece();
}

/** Resources with an id keep it (PUT), others get one (POST). */
function batchOf(resources: readonly unknown[]): string {
  const entry = resources.map((value) => {
    const resource = value as { resourceType: string; id?: string };
    const request =
      resource.id === undefined
        ? { method: 'POST', url: resource.resourceType }
        : { method: 'PUT', url: `${resource.resourceType}/${resource.id}` };
    return { resource, request };
  });
  return stringifyJson({ resourceType: 'Bundle', type: 'batch', entry });
}
