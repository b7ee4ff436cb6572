/**
 * Writes a backup of what a server keeps, also while it serves: everything up to the entry that is the newest when the log is read.
 *
 * Order: chain, state, log, blocks. So the copy of the chain is never ahead of the log, and every block that the log names is there. Keys and what they
 * wrapped must be of one time: while keys are rotated it waits, and when a rotation began meanwhile, it begins anew.
 */
import { access, mkdir, open, readdir, rm } from 'node:fs/promises';
import path from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { GrowingRoot } from '../../anchoring/batch-facts.js';
import { toHex } from '../../base/bytes.js';
import type { Catalog, Entry } from '../../commit/catalog.js';
import { readRotation, rotationMark } from '../../commit/rotation.js';
import { Connection } from '../../commit/sqlite/connection.js';
import { packEntries } from '../../commit/sqlite/packed-entries.js';
import type { Config } from '../../config.js';
import type { BlockStore } from '../../ipfs/block-store.js';
import { carHeader, sectionHead } from '../../ipfs/car-format.js';
import { DigestSet } from '../../ipfs/digest-set.js';
import {
  ArchiveBroken,
  FileWriter,
  format,
  writeManifest,
  writeReadme,
  type ArchivedFile,
  type Manifest,
} from './archive.js';
import { openSmartStore } from '../../wiring/smart.js';
import { writeAccounts } from './accounts.js';
import { passingStates, type OnProgress } from './copy.js';

export interface BackupParts {
  readonly config: Config;
  /** Opens the catalog, beside the server. */
  openCatalog(): Promise<Catalog>;
  openBlocks(): Promise<BlockStore>;
  readonly onProgress?: OnProgress;
}

const fileBytes = 256 * 1024 * 1024;
const leavesAtOnce = 10_000;
const pageSize = 500;
/** How often it looks whether a rotation has ended. */
const lookMs = 1_000;

/**
 * @param folder that does not exist yet, or is empty.
 * @param waitMs how long it waits for rotations of keys in all.
 * @throws ArchiveBroken in words for the operator.
 */
export async function makeBackup(parts: BackupParts, folder: string, waitMs = 600_000): Promise<Manifest> {
  await mkdir(folder, { recursive: true, mode: 0o700 });
  if ((await readdir(folder)).length > 0) throw new ArchiveBroken(`${folder} is not empty`);
  const until = performance.now() + waitMs;
  for (;;) {
    const mark = await keysAtRest(parts, until);
    const manifest = await writeParts(parts, folder);
    if (mark === (await keysAtRest(parts, until))) {
      await writeReadme(folder);
      await writeManifest(folder, manifest);
      return manifest;
    }
    for (const name of await readdir(folder)) await rm(path.join(folder, name), { recursive: true });
  }
}

/** Resolves when no keys are rotated. @returns the mark of the rotation before. @throws ArchiveBroken when that is not so in time. */
async function keysAtRest({ openCatalog, onProgress }: BackupParts, until: number): Promise<string> {
  for (;;) {
    const catalog = await openCatalog();
    try {
      const state = await readRotation(catalog);
      if (state === undefined) return await rotationMark(catalog);
      onProgress?.(`rotation of ${state.key}`, state.done, state.total);
      if (performance.now() > until) {
        throw new ArchiveBroken(`the rotation of ${state.key} is still under way: make the backup when it has ended`);
      }
    } finally {
      await catalog.close();
    }
    await pause(lookMs);
  }
}

/** Everything but the manifest itself. */
async function writeParts(parts: BackupParts, folder: string): Promise<Manifest> {
  const { config, onProgress } = parts;
  const files: ArchivedFile[] = [];
  files.push(...(await copyTree(path.join(config.dataDir, 'chain'), folder, 'files/chain')));
  const early = await parts.openCatalog();
  try {
    files.push(await writeStates(early, folder));
  } finally {
    await early.close();
  }
  const catalog = await parts.openCatalog();
  const blocks = await parts.openBlocks();
  try {
    const { seq, leafCount } = catalog.head();
    files.push(await writeKeys(catalog, folder));
    files.push(...(await writeLog(catalog, folder, seq, onProgress)));
    const car = await writeBlocks(blocks, folder, onProgress);
    files.push(...car.files);
    files.push(...(await copyTree(path.join(config.dataDir, 'access'), folder, 'files/access')));
    files.push(...(await writeSmart(config, folder)));
    const root = await rootOf(catalog, leafCount);
    return { format, created: new Date().toISOString(), seq, leafCount, root, blocks: car.blocks, files };
  } finally {
    await Promise.all([catalog.close(), blocks.close()]);
  }
}

/** RFC 6962 root over the first `leafCount` leaves, hexadecimal. */
export async function rootOf(catalog: Catalog, leafCount: number): Promise<string> {
  const tree = new GrowingRoot();
  for (let from = 0; from < leafCount; from += leavesAtOnce) {
    const leaves = await catalog.leaves(from, Math.min(leafCount, from + leavesAtOnce));
    for (let at = 0; at < leaves.byteLength; at += 32) tree.append(Uint8Array.from(leaves.subarray(at, at + 32)));
  }
  return toHex(tree.root());
}

async function writeStates(catalog: Catalog, folder: string): Promise<ArchivedFile> {
  const file = await FileWriter.open(folder, 'state.ndjson');
  for (let after: string | undefined; ;) {
    const states = await catalog.states(after, pageSize);
    const lines = states
      .filter(({ key }) => !passingStates.includes(key))
      .map(({ key, value }) => `${JSON.stringify([key, Buffer.from(value).toString('base64')])}\n`);
    await file.write(Buffer.from(lines.join('')));
    if (states.length < pageSize) return file.close();
    after = states.at(-1)!.key;
  }
}

async function writeKeys(catalog: Catalog, folder: string): Promise<ArchivedFile> {
  const file = await FileWriter.open(folder, 'keys.ndjson');
  for (let after: Uint8Array | undefined; ;) {
    const keys = await catalog.compartmentKeys(after, pageSize);
    const lines = keys.map(
      ({ compartment, wrapped }) =>
        `${JSON.stringify([compartment, wrapped].map((bytes) => Buffer.from(bytes).toString('base64')))}\n`,
    );
    await file.write(Buffer.from(lines.join('')));
    if (keys.length < pageSize) return file.close();
    after = keys.at(-1)!.compartment;
  }
}

async function writeLog(
  catalog: Catalog,
  folder: string,
  seq: number,
  onProgress?: OnProgress,
): Promise<ArchivedFile[]> {
  const series = new Series(folder, 'log', 'bin', Buffer.alloc(0));
  let group: Entry[] = [];
  const flush = async () => {
    const packed = Buffer.from(packEntries(group));
    const length = Buffer.alloc(4);
    length.writeUInt32LE(packed.byteLength);
    await series.write(Buffer.concat([length, packed]));
    onProgress?.('entries', group.at(-1)!.seq, seq);
    group = [];
  };
  for await (const entry of catalog.entries(1, seq + 1)) {
    group.push(entry);
    if (group.length >= 200 || group.reduce((sum, { versions }) => sum + versions.length, 0) >= 500) await flush();
  }
  if (group.length > 0) await flush();
  return series.close();
}

async function writeBlocks(store: BlockStore, folder: string, onProgress?: OnProgress) {
  const series = new Series(folder, 'blocks', 'car', carHeader);
  const { blocks: total } = await store.size();
  let blocks = 0;
  const written = new DigestSet();
  for await (const block of store.readAll()) {
    if (!written.add(block.digest)) continue;
    await series.write(sectionHead(block), block.bytes);
    blocks += 1;
    if (blocks % 1_000 === 0) onProgress?.('blocks', blocks, total);
  }
  return { blocks, files: await series.close() };
}

/** Numbered files, a new one when the last has grown large; pieces are gathered, so that each write is worth it. */
class Series {
  private readonly done: ArchivedFile[] = [];
  private file: FileWriter | undefined;
  private waiting: Uint8Array[] = [];
  private waitingBytes = 0;

  constructor(
    private readonly folder: string,
    private readonly prefix: string,
    private readonly ending: string,
    private readonly head: Uint8Array,
  ) {}

  async write(...pieces: readonly Uint8Array[]): Promise<void> {
    this.waiting.push(...pieces);
    this.waitingBytes += pieces.reduce((sum, { byteLength }) => sum + byteLength, 0);
    if (this.waitingBytes > 4 * 1024 * 1024) await this.flush();
  }

  async close(): Promise<ArchivedFile[]> {
    await this.flush();
    if (this.file !== undefined) this.done.push(await this.file.close());
    return this.done;
  }

  private async flush(): Promise<void> {
    if (this.file !== undefined && this.file.size > fileBytes) {
      this.done.push(await this.file.close());
      this.file = undefined;
    }
    if (this.file === undefined) {
      const number = String(this.done.length + 1).padStart(5, '0');
      this.file = await FileWriter.open(this.folder, `${this.prefix}-${number}.${this.ending}`);
      await this.file.write(this.head);
    }
    await this.file.write(Buffer.concat(this.waiting));
    [this.waiting, this.waitingBytes] = [[], 0];
  }
}

/** Copies files as they are at this moment. */
async function copyTree(from: string, folder: string, name: string): Promise<ArchivedFile[]> {
  const entries = await readdir(from, { recursive: true, withFileTypes: true }).catch(() => []);
  const files: ArchivedFile[] = [];
  for (const entry of entries) {
    if (!entry.isFile() || entry.name.startsWith('in-use')) continue;
    const source = path.join(entry.parentPath, entry.name);
    const target = path.posix.join(name, path.relative(from, source).split(path.sep).join('/'));
    const file = await copyOne(source, folder, target);
    if (file !== undefined) files.push(file);
  }
  return files;
}

async function copyOne(source: string, folder: string, name: string): Promise<ArchivedFile | undefined> {
  const handle = await open(source).catch(() => undefined);
  // It went away meanwhile: it was one of those that are written aside.
  if (handle === undefined) return undefined;
  const file = await FileWriter.open(folder, name);
  for await (const piece of handle.createReadStream()) await file.write(piece as Buffer);
  return file.close();
}

/** Accounts and apps. Of SQLite one consistent copy, which it makes itself; of MongoDB each kind as it is when it is read. */
async function writeSmart({ smart }: Config, folder: string): Promise<ArchivedFile[]> {
  if (smart.store.kind !== 'sqlite') return [await writeAccountsOf(smart.store, folder)];
  const isThere = await access(smart.store.file).then(
    () => true,
    () => false,
  );
  if (!isThere) return [];
  const aside = path.join(folder, 'smart.tmp');
  await mkdir(aside, { mode: 0o700 });
  const file = path.join(aside, 'copy.sqlite');
  const connection = new Connection(smart.store.file, 5_000);
  try {
    connection.prepare('VACUUM INTO ?').run([file]);
  } finally {
    connection.close();
  }
  const written = await writeAccountsOf({ kind: 'sqlite', file }, folder);
  await rm(aside, { recursive: true });
  return [written];
}

async function writeAccountsOf(config: Config['smart']['store'], folder: string): Promise<ArchivedFile> {
  const store = await openSmartStore(config);
  try {
    return await writeAccounts(store, folder);
  } finally {
    await store.close();
  }
}
