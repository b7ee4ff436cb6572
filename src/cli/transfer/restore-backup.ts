/**
 * Brings a backup back on an empty machine, checking every file against the manifest first and the log against its root afterwards.
 *
 * With `until`, the log ends at that entry: what came later (on the chain too) is not known to the restored server, so it begins on a chain of its own.
 */
import { createReadStream } from 'node:fs';
import { copyFile, mkdir, readFile } from 'node:fs/promises';
import path from 'node:path';
import { tombstoneLeaf } from '../../anchoring/tombstone.js';
import { finishErasures } from '../../commit/erase.js';
import type { Entry } from '../../commit/catalog.js';
import { unpackEntries } from '../../commit/sqlite/packed-entries.js';
import { importCar } from '../../ipfs/car.js';
import { masterWraps } from '../../vault/vault.js';
import type { Storage } from '../../wiring/storage.js';
import { ArchiveBroken, namesOf, readManifest, type Manifest } from './archive.js';
import { appendAll, type OnProgress } from './copy.js';
import { appliedTo, type ErasureRecord } from './erasure-list.js';
import { rootOf } from './make-backup.js';

export interface RestoreOptions {
  /** Newest entry to bring back; default: all. */
  readonly until?: number;
  /** Applied after the log is there. */
  readonly erasures?: readonly ErasureRecord[];
  readonly onProgress?: OnProgress;
}

export interface Restored {
  readonly seq: number;
  readonly leafCount: number;
  readonly blocks: number;
  readonly erasedVersions: number;
}

/** State that tells how far the chain has come: not for a log that ends earlier. */
const chainStates =
  /^(?:anchor|outbox|attestor|consent\/(?:patient|outbox|told|consent)|access-log|contracts|log\/origin|batch)/;

/** Files that are copied before anything is opened. @throws ArchiveBroken */
export async function restoreFiles(folder: string, dataDir: string, until: number | undefined): Promise<Manifest> {
  const manifest = await readManifest(folder);
  if (until !== undefined && (until < 1 || until > manifest.seq)) {
    throw new ArchiveBroken(`--until is ${until}; the backup has the entries 1 to ${manifest.seq}`);
  }
  const isWhole = until === undefined || until === manifest.seq;
  for (const name of namesOf(manifest, 'files/')) {
    if (!isWhole && name.startsWith('files/chain/')) continue;
    const target = path.join(dataDir, name.slice('files/'.length));
    await mkdir(path.dirname(target), { recursive: true, mode: 0o700 });
    await copyFile(path.join(folder, name), target);
  }
  return manifest;
}

/** @param storage empty, opened after `restoreFiles`. @throws ArchiveBroken when what is there in the end is not what was backed up. */
export async function restoreStores(
  folder: string,
  manifest: Manifest,
  { catalog, blocks, keyRing }: Pick<Storage, 'catalog' | 'blocks' | 'keyRing'>,
  { until = manifest.seq, erasures = [], onProgress }: RestoreOptions,
): Promise<Restored> {
  const keys = (await linesOf(folder, 'keys.ndjson')).map(([compartment, wrapped]) => ({
    compartment: bytesOf(compartment),
    wrapped: bytesOf(wrapped),
  }));
  for (const { wrapped } of keys.slice(0, 1)) {
    try {
      for (const wrap of masterWraps(wrapped)) keyRing.unwrap(wrap);
    } catch {
      throw new ArchiveBroken(
        'the key ring is not the one of this backup: give it back first with `mooring keys restore`',
      );
    }
  }
  let held = 0;
  for (const name of namesOf(manifest, 'blocks-')) {
    held += await importCar(blocks, createReadStream(path.join(folder, name)));
    onProgress?.('blocks', held, manifest.blocks);
  }
  for (let at = 0; at < keys.length; at += 500) await catalog.amend({ keys: keys.slice(at, at + 500), addsKeys: true });
  await appendAll(catalog, entriesIn(folder, manifest, until), until, onProgress);
  for (const [key, value] of await linesOf(folder, 'state.ndjson')) {
    if (until < manifest.seq && chainStates.test(key)) continue;
    await catalog.putState(key, bytesOf(value));
  }
  const { seq, leafCount } = catalog.head();
  if (seq !== until) throw new ArchiveBroken(`the log ends at entry ${seq}; expected ${until}`);
  if (until === manifest.seq && (await rootOf(catalog, leafCount)) !== manifest.root) {
    throw new ArchiveBroken('the restored log has another root than the one that was backed up');
  }
  await checkBlocks(catalog, blocks, leafCount, onProgress);
  const erasedVersions = await appliedTo({ catalog }, erasures, tombstoneLeaf);
  await finishErasures({ catalog, blocks });
  return { seq: catalog.head().seq, leafCount: catalog.head().leafCount, blocks: held, erasedVersions };
}

async function checkBlocks(
  catalog: Storage['catalog'],
  blocks: Storage['blocks'],
  leafCount: number,
  onProgress?: OnProgress,
): Promise<void> {
  for (let from = 0; from < leafCount; from += 1_000) {
    const rows = await catalog.versionsByLeaf(from, Math.min(leafCount, from + 1_000));
    const isHeld = await Promise.all(rows.map(async ({ block }) => block === undefined || (await blocks.has(block))));
    const missing = isHeld.indexOf(false);
    if (missing !== -1) throw new ArchiveBroken(`the block of leaf ${rows[missing]!.leafIndex} is not in the backup`);
    onProgress?.('verified', from + rows.length, leafCount);
  }
}

async function* entriesIn(folder: string, manifest: Manifest, until: number): AsyncIterable<Entry> {
  for (const name of namesOf(manifest, 'log-')) {
    const bytes = await readFile(path.join(folder, name));
    for (let at = 0; at < bytes.byteLength;) {
      const length = bytes.readUInt32LE(at);
      const packed = Uint8Array.from(bytes.subarray(at + 4, at + 4 + length)).buffer;
      for (const entry of unpackEntries(packed)) if (entry.seq <= until) yield entry;
      at += 4 + length;
    }
  }
}

async function linesOf(folder: string, name: string): Promise<[string, string][]> {
  const text = await readFile(path.join(folder, name), 'utf8');
  return text
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => JSON.parse(line) as [string, string]);
}

function bytesOf(base64: string): Uint8Array {
  return new Uint8Array(Buffer.from(base64, 'base64'));
}
