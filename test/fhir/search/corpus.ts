/** Synthea's patients as they would stand in a server: references resolved to `Type/id`, versions and times in place. */
import { readdirSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseJson } from '../../../src/base/json.js';
import type { Resource } from '../../../src/base/resource.js';

/** The repository; compiled tests lie three folders below dist/test. */
const repository = path.resolve(path.dirname(fileURLToPath(import.meta.url)), '../../../..');
const folder = path.resolve(repository, '../shared/corpus/synthea');

interface Bundle {
  readonly entry: readonly { readonly fullUrl?: string; readonly resource: Resource }[];
}

/** @param patients how many of the patient bundles to read; the organisations and practitioners are always there. */
export function readCorpus(patients: number): Resource[] {
  const files = readdirSync(folder).sort();
  const bundles = files
    .slice(0, patients + 2)
    .map((file) => parseJson(readFileSync(path.join(folder, file), 'utf8')) as unknown as Bundle);
  const entries = bundles.flatMap(({ entry }) => entry);
  const names = new Map<string, string>();
  for (const { fullUrl, resource } of entries) {
    const name = `${resource.resourceType}/${resource.id}`;
    if (fullUrl) names.set(fullUrl, name);
    for (const { system, value } of (resource.identifier ?? []) as { system?: string; value?: string }[]) {
      names.set(`${resource.resourceType}?identifier=${system}|${value}`, name);
    }
  }
  for (const [index, { resource }] of entries.entries()) {
    resolve(resource, names);
    const lastUpdated = new Date(Date.UTC(2024, 0, 1) + index * 60_000).toISOString();
    resource.meta = { ...resource.meta, versionId: '1', lastUpdated };
  }
  return entries.map(({ resource }) => resource);
}

function resolve(node: unknown, names: ReadonlyMap<string, string>): void {
  if (Array.isArray(node)) return node.forEach((child) => resolve(child, names));
  if (typeof node !== 'object' || node === null) return;
  const holder = node as Record<string, unknown>;
  if (typeof holder.reference === 'string') holder.reference = names.get(holder.reference) ?? holder.reference;
  for (const child of Object.values(holder)) resolve(child, names);
}
