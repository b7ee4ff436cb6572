/**
 * A backup on disk: one folder of files, and a manifest that names each with its SHA-256.
 *
 * `blocks-NNNNN.car`: sealed blocks (CAR version 1). `log-NNNNN.bin`: entries of the log, `u32 length ‖ packed entries` again and again. `keys.ndjson`:
 * wrapped keys of the compartments. `state.ndjson`: small state. `files/`: access log, chain, apps as they lie in DATA_DIR. Nothing of it can be read
 * without the key ring, which is not in it.
 */
import { createHash, type Hash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { mkdir, open, readFile, writeFile, type FileHandle } from 'node:fs/promises';
import path from 'node:path';

const manifestName = 'manifest.json';
export const format = 'mooring-backup-1';

export interface ArchivedFile {
  /** Below the folder of the backup, with `/`. */
  readonly name: string;
  readonly sizeBytes: number;
  /** SHA-256, hexadecimal. */
  readonly sha256: string;
}

export interface Manifest {
  readonly format: typeof format;
  /** ISO time. */
  readonly created: string;
  /** Newest entry of the log, and its leaves. */
  readonly seq: number;
  readonly leafCount: number;
  /** RFC 6962 root over the leaves, hexadecimal. */
  readonly root: string;
  readonly blocks: number;
  readonly files: readonly ArchivedFile[];
}

/** Writes one file, hashing on the way; durable on `close`. */
export class FileWriter {
  private sizeBytes = 0;
  private readonly hash: Hash = createHash('sha256');

  private constructor(
    private readonly name: string,
    private readonly handle: FileHandle,
  ) {}

  static async open(folder: string, name: string): Promise<FileWriter> {
    const file = path.join(folder, name);
    await mkdir(path.dirname(file), { recursive: true, mode: 0o700 });
    return new FileWriter(name, await open(file, 'wx', 0o600));
  }

  get size(): number {
    return this.sizeBytes;
  }

  async write(bytes: Uint8Array): Promise<void> {
    this.hash.update(bytes);
    this.sizeBytes += bytes.byteLength;
    await this.handle.writeFile(bytes);
  }

  async close(): Promise<ArchivedFile> {
    await this.handle.sync();
    await this.handle.close();
    return { name: this.name, sizeBytes: this.sizeBytes, sha256: this.hash.digest('hex') };
  }
}

/** What is wrong with a backup, in words. */
export class ArchiveBroken extends Error {
  override readonly name = 'ArchiveBroken';
}

export async function writeManifest(folder: string, manifest: Manifest): Promise<void> {
  const handle = await open(path.join(folder, manifestName), 'wx', 0o600);
  await handle.writeFile(`${JSON.stringify(manifest, undefined, 1)}\n`);
  await handle.sync();
  await handle.close();
}

/** The manifest, after every file was found to be what it says. @throws ArchiveBroken naming the first file that is not. */
export async function readManifest(folder: string): Promise<Manifest> {
  const text = await readFile(path.join(folder, manifestName), 'utf8').catch(() => undefined);
  if (text === undefined)
    throw new ArchiveBroken(`${folder} has no ${manifestName}: no backup, or one that was not finished`);
  const manifest = JSON.parse(text) as Manifest;
  if (manifest.format !== format)
    throw new ArchiveBroken(`${folder} is of format ${String(manifest.format)}; expected ${format}`);
  for (const { name, sha256 } of manifest.files) {
    const hash = createHash('sha256');
    try {
      for await (const piece of createReadStream(path.join(folder, name))) hash.update(piece as Buffer);
    } catch {
      throw new ArchiveBroken(`${name} is missing`);
    }
    if (hash.digest('hex') !== sha256) throw new ArchiveBroken(`${name} is not as it was written`);
  }
  return manifest;
}

/** Names of the manifest's files that begin with `prefix`, in order. */
export function namesOf({ files }: Manifest, prefix: string): string[] {
  return files
    .map(({ name }) => name)
    .filter((name) => name.startsWith(prefix))
    .sort();
}

/** A note for the operator: what is not in the folder. */
export async function writeReadme(folder: string): Promise<void> {
  const text = [
    'A backup of a Mooring server. Restore it with `mooring restore FOLDER` on an empty DATA_DIR.',
    'The key ring is not in it: give it back first with `mooring keys restore` from its shares.',
    'What was erased after this backup comes back unless the erasure list is applied: `mooring restore FOLDER --erasures FILE`.',
    '',
  ].join('\n');
  await writeFile(path.join(folder, 'README.txt'), text);
}
