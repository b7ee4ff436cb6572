/**
 * KeyRing in one file: `{"version":1,"root":base64,"keys":[{"id":1,"key":base64,"created":ISO time}, ...]}`, mode 0600.
 *
 * A new file appears whole or not at all: it is written aside, synced and linked into place. The last key of the list wraps; all of them
 * unwrap, so that rotation never makes old wraps unreadable.
 */
import { hkdfSync, type KeyObject } from 'node:crypto';
import { constants } from 'node:fs';
import { link, mkdir, open, rename, unlink } from 'node:fs/promises';
import path from 'node:path';
import { inspect } from 'node:util';
import { KeyUnavailable, type KeyRing } from './key-ring.js';
import { unwrapKey, wrapKey, wrappingKey } from './key-wrap.js';
import { randomBytes } from './random.js';

interface RingFile {
  readonly version: 1;
  readonly root: string;
  readonly keys: readonly { readonly id: number; readonly key: string; readonly created: string }[];
}

/**
 * The ring in `file`; made when the file is missing.
 * @throws KeyUnavailable when others may read the file, or it is no key ring.
 */
export async function openKeyRing(file: string): Promise<FileKeyRing> {
  const found = await readRing(file);
  if (found !== undefined) return new FileKeyRing(file, found);
  const fresh: RingFile = { version: 1, root: newKeyText(), keys: [newKey(1)] };
  await mkdir(path.dirname(file), { recursive: true });
  await writeAside(file, fresh, async (aside) => {
    // Another process may have been faster: then its ring counts.
    await link(aside, file).catch((error: NodeJS.ErrnoException) => {
      if (error.code !== 'EEXIST') throw error;
    });
    await unlink(aside);
  });
  const ring = await readRing(file);
  if (ring === undefined) throw new KeyUnavailable(`key ring ${file} went away while it was made`);
  return new FileKeyRing(file, ring);
}

export class FileKeyRing implements KeyRing {
  readonly #keys = new Map<number, KeyObject>();
  #ring: RingFile;

  constructor(
    private readonly file: string,
    ring: RingFile,
  ) {
    this.#ring = ring;
    this.#learn(ring);
  }

  wrap(key: Uint8Array): Uint8Array {
    const { id } = this.#ring.keys.at(-1)!;
    const wrapped = Buffer.allocUnsafe(44);
    wrapped.writeUInt32BE(id, 0);
    wrapKey(this.#keys.get(id)!, key).copy(wrapped, 4);
    return wrapped;
  }

  unwrap(wrapped: Uint8Array): Uint8Array {
    if (wrapped.byteLength !== 44) throw new KeyUnavailable('a key wrapped by the master key has 44 bytes');
    const id = Buffer.from(wrapped.buffer, wrapped.byteOffset, 4).readUInt32BE(0);
    const master = this.#keys.get(id);
    if (master === undefined) throw new KeyUnavailable(`master key ${id} is not in the key ring`);
    return unwrapKey(master, wrapped.subarray(4));
  }

  derive(purpose: string): Uint8Array {
    const root = Buffer.from(this.#ring.root, 'base64');
    return new Uint8Array(hkdfSync('sha256', root, Buffer.alloc(0), `mooring/${purpose}`, 32));
  }

  /** Adds a master key that wraps from now on; the older ones go on unwrapping. Durable on resolve. */
  async rotate(): Promise<void> {
    const newest = this.#ring.keys.at(-1)!.id;
    const ring: RingFile = { ...this.#ring, keys: [...this.#ring.keys, newKey(newest + 1)] };
    await writeAside(this.file, ring, (aside) => rename(aside, this.file));
    this.#learn(ring);
    this.#ring = ring;
  }

  toJSON(): string {
    return '[secret]';
  }

  [inspect.custom](): string {
    return '[secret]';
  }

  #learn(ring: RingFile): void {
    for (const { id, key } of ring.keys) this.#keys.set(id, wrappingKey(Buffer.from(key, 'base64')));
  }
}

async function readRing(file: string): Promise<RingFile | undefined> {
  const handle = await open(file, constants.O_RDONLY).catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'ENOENT') return undefined;
    throw error;
  });
  if (handle === undefined) return undefined;
  try {
    const { mode } = await handle.stat();
    if (process.platform !== 'win32' && (mode & 0o077) !== 0) {
      const found = (mode & 0o777).toString(8).padStart(4, '0');
      throw new KeyUnavailable(`key ring ${file} has mode ${found}: others may read it; expected 0600`);
    }
    return parseRing(file, await handle.readFile('utf8'));
  } finally {
    await handle.close();
  }
}

function parseRing(file: string, text: string): RingFile {
  let ring: RingFile;
  try {
    ring = JSON.parse(text) as RingFile;
  } catch {
    throw new KeyUnavailable(`key ring ${file} is not JSON`);
  }
  const isKey = (key: unknown) => typeof key === 'string' && Buffer.from(key, 'base64').byteLength === 32;
  const isWhole =
    ring.version === 1 &&
    isKey(ring.root) &&
    Array.isArray(ring.keys) &&
    ring.keys.length > 0 &&
    ring.keys.every(({ id, key }) => Number.isSafeInteger(id) && isKey(key));
  if (!isWhole) throw new KeyUnavailable(`key ring ${file} is not of the form that this version writes`);
  return ring;
}

/** Writes `ring` beside `file`, durably, and lets `place` put it there, durably. */
async function writeAside(file: string, ring: RingFile, place: (aside: string) => Promise<void>): Promise<void> {
  const aside = `${file}.${process.pid}.${Buffer.from(randomBytes(4)).toString('hex')}`;
  const handle = await open(aside, 'wx', 0o600);
  try {
    await handle.writeFile(`${JSON.stringify(ring)}\n`);
    await handle.sync();
  } finally {
    await handle.close();
  }
  await place(aside);
  const folder = await open(path.dirname(file), constants.O_RDONLY);
  try {
    await folder.sync();
  } finally {
    await folder.close();
  }
}

function newKeyText(): string {
  return Buffer.from(randomBytes(32)).toString('base64');
}

function newKey(id: number): RingFile['keys'][number] {
  return { id, key: newKeyText(), created: new Date().toISOString() };
}
