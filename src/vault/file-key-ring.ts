/**
 * KeyRing in one file, mode 0600: `{"version":1,"root":base64,"keys":[{"id":1,"key":base64,"created":ISO time}, ...]}`, or the same sealed by a token
 * (pkcs11-seal.ts).
 *
 * A new file appears whole or not at all: it is written aside, synced and linked into place. The last key of the list wraps; all of them
 * unwrap, so that rotation never makes old wraps unreadable.
 */
import { hkdfSync, type KeyObject } from 'node:crypto';
import { constants } from 'node:fs';
import { link, mkdir, open, rename, unlink } from 'node:fs/promises';
import path from 'node:path';
import { inspect } from 'node:util';
import { KeyUnavailable, masterWrapBytes, type KeyRing } from './key-ring.js';
import { unwrapKey, wrapKey, wrappingKey } from './key-wrap.js';
import { randomBytes } from './random.js';
import { checkedRing, type RingSecret } from './ring-secret.js';

/** How the ring stands in its file. */
export interface RingForm {
  encode(ring: RingSecret): Promise<string>;
  /** @throws KeyUnavailable when the text is of another form, or cannot be opened. */
  decode(text: string, file: string): Promise<RingSecret>;
}

/** As it is: who can read the file has the keys. */
export const plainForm: RingForm = {
  encode: (ring) => Promise.resolve(`${JSON.stringify({ version: 1, ...ring })}\n`),
  async decode(text, file) {
    const value = parsed(text, file) as { version?: unknown };
    if (value?.version !== 1) throw new KeyUnavailable(`key ring ${file} is not of the form that this version writes`);
    return checkedRing(value, `key ring ${file}`);
  },
};

/**
 * The ring in `file`; made when the file is missing.
 * @throws KeyUnavailable when others may read the file, or it is no key ring.
 */
export async function openKeyRing(file: string, form: RingForm = plainForm): Promise<FileKeyRing> {
  const found = await readRing(file, form);
  if (found !== undefined) return new FileKeyRing(file, form, found);
  await createRing(file, { root: newKeyText(), keys: [newKey(1)] }, form);
  const ring = await readRing(file, form);
  if (ring === undefined) throw new KeyUnavailable(`key ring ${file} went away while it was made`);
  return new FileKeyRing(file, form, ring);
}

/** Writes a ring where none is: does nothing when another process was faster. Durable on resolve. */
export async function createRing(file: string, ring: RingSecret, form: RingForm = plainForm): Promise<void> {
  await mkdir(path.dirname(file), { recursive: true, mode: 0o700 });
  await writeAside(file, await form.encode(ring), async (aside) => {
    await link(aside, file).catch((error: NodeJS.ErrnoException) => {
      if (error.code !== 'EEXIST') throw error;
    });
    await unlink(aside);
  });
}

/** What the file keeps, for a backup; undefined when there is none. */
export async function readRing(file: string, form: RingForm = plainForm): Promise<RingSecret | undefined> {
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
    return await form.decode(await handle.readFile('utf8'), file);
  } finally {
    await handle.close();
  }
}

/** JSON in a ring's file. @throws KeyUnavailable */
export function parsed(text: string, file: string): unknown {
  try {
    return JSON.parse(text) as unknown;
  } catch {
    throw new KeyUnavailable(`key ring ${file} is not JSON`);
  }
}

export class FileKeyRing implements KeyRing {
  readonly #keys = new Map<number, KeyObject>();
  #ring: RingSecret;

  constructor(
    private readonly file: string,
    private readonly form: RingForm,
    ring: RingSecret,
  ) {
    this.#ring = ring;
    this.#learn(ring);
  }

  wrap(key: Uint8Array): Uint8Array {
    const { id } = this.#ring.keys.at(-1)!;
    const wrapped = Buffer.allocUnsafe(masterWrapBytes);
    wrapped.writeUInt32BE(id, 0);
    wrapKey(this.#keys.get(id)!, key).copy(wrapped, 4);
    return wrapped;
  }

  unwrap(wrapped: Uint8Array): Uint8Array {
    if (wrapped.byteLength !== masterWrapBytes)
      throw new KeyUnavailable('a key wrapped by the master key has 44 bytes');
    const id = Buffer.from(wrapped.buffer, wrapped.byteOffset, 4).readUInt32BE(0);
    const master = this.#keys.get(id);
    if (master === undefined) throw new KeyUnavailable(`master key ${id} is not in the key ring`);
    return unwrapKey(master, wrapped.subarray(4));
  }

  derive(purpose: string): Uint8Array {
    const root = Buffer.from(this.#ring.root, 'base64');
    return new Uint8Array(hkdfSync('sha256', root, Buffer.alloc(0), `mooring/${purpose}`, 32));
  }

  get newest(): number {
    return this.#ring.keys.at(-1)!.id;
  }

  async rotate(): Promise<void> {
    await this.#replace({ ...this.#ring, keys: [...this.#ring.keys, newKey(this.newest + 1)] });
  }

  async retire(): Promise<number> {
    const count = this.#ring.keys.length - 1;
    if (count > 0) await this.#replace({ ...this.#ring, keys: this.#ring.keys.slice(-1) });
    return count;
  }

  async reload(): Promise<void> {
    const ring = await readRing(this.file, this.form);
    if (ring === undefined) throw new KeyUnavailable(`key ring ${this.file} went away`);
    if (ring.root !== this.#ring.root) throw new KeyUnavailable(`key ring ${this.file} is another one now`);
    this.#ring = ring;
    this.#learn(ring);
  }

  async #replace(ring: RingSecret): Promise<void> {
    const text = await this.form.encode(ring);
    await writeAside(this.file, text, (aside) => rename(aside, this.file));
    this.#ring = ring;
    this.#learn(ring);
  }

  toJSON(): string {
    return '[secret]';
  }

  [inspect.custom](): string {
    return '[secret]';
  }

  #learn(ring: RingSecret): void {
    this.#keys.clear();
    for (const { id, key } of ring.keys) this.#keys.set(id, wrappingKey(Buffer.from(key, 'base64')));
  }
}

/** Writes `text` beside `file`, durably, and lets `place` put it there, durably. */
async function writeAside(file: string, text: string, place: (aside: string) => Promise<void>): Promise<void> {
  const aside = `${file}.${process.pid}.${Buffer.from(randomBytes(4)).toString('hex')}`;
  const handle = await open(aside, 'wx', 0o600);
  try {
    await handle.writeFile(text);
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

function newKey(id: number): RingSecret['keys'][number] {
  return { id, key: newKeyText(), created: new Date().toISOString() };
}
