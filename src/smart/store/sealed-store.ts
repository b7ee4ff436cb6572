/** The SmartStore as the rest of src/smart sees it: JSON in, sealed bytes under blinded names out, and back. */
import { createHmac, randomBytes } from 'node:crypto';
import type { KeyRing } from '../../vault/key-ring.js';
import { nonceBytes, openBytes, sealBytes } from '../../vault/xchacha.js';
import type { Kind, SmartStore, Sooner, StoredEntry } from './smart-store.js';

export interface Placement {
  /** Milliseconds since 1970. */
  readonly expiresAt?: number;
  /** Id of the grant that it belongs to. */
  readonly group?: string;
  /** A second name. */
  readonly alias?: string;
}

/** An opened entry. */
export interface Opened<T> {
  readonly value: T;
  readonly expiresAt?: number;
  readonly consumedAt?: number;
  /** The sealed bytes: equal as long as the entry is the same. */
  readonly sealed: Uint8Array;
}

export class SealedStore {
  private readonly names: Uint8Array;
  private readonly contents: Uint8Array;

  constructor(
    private readonly store: SmartStore,
    keyRing: Pick<KeyRing, 'derive'>,
  ) {
    this.names = keyRing.derive('smart-names');
    this.contents = keyRing.derive('smart-contents');
  }

  put(kind: Kind, id: string, value: unknown, placement: Placement = {}): Promise<void> {
    return this.store.put(kind, this.entry(kind, id, value, placement));
  }

  /** @returns false when one is there that has not expired. */
  putNew(kind: Kind, id: string, value: unknown, placement: Placement, now: number): Promise<boolean> {
    return this.store.putNew(kind, this.entry(kind, id, value, placement), now);
  }

  /** Also what has expired; the caller looks at `expiresAt`. @throws SealBroken when the entry was altered or moved. */
  get<T>(kind: Kind, id: string): Sooner<Opened<T> | undefined> {
    const entry = this.sealedEntry(kind, id);
    return entry instanceof Promise ? entry.then((found) => this.opened<T>(kind, found)) : this.opened<T>(kind, entry);
  }

  /** The entry unopened: to see that it is still there and the same. */
  sealedEntry(kind: Kind, id: string): Sooner<StoredEntry | undefined> {
    return this.store.get(kind, this.name(kind, id));
  }

  open<T>(kind: Kind, entry: StoredEntry): Opened<T> {
    return this.opened<T>(kind, entry) as Opened<T>;
  }

  getByAlias<T>(kind: Kind, alias: string): Sooner<Opened<T> | undefined> {
    const entry = this.store.getByAlias(kind, this.name(kind, alias));
    return entry instanceof Promise ? entry.then((found) => this.opened<T>(kind, found)) : this.opened<T>(kind, entry);
  }

  consume(kind: Kind, id: string, now: number): Promise<boolean> {
    return this.store.consume(kind, this.name(kind, id), now);
  }

  remove(kind: Kind, id: string): Promise<void> {
    return this.store.remove(kind, this.name(kind, id));
  }

  removeGroup(group: string): Promise<void> {
    return this.store.removeGroup(this.name('group', group));
  }

  async list<T>(kind: Kind): Promise<T[]> {
    return (await this.store.list(kind)).map((entry) => this.open<T>(kind, entry).value);
  }

  removeExpired(now: number): Promise<void> {
    return this.store.removeExpired(now);
  }

  close(): Promise<void> {
    return this.store.close();
  }

  private entry(kind: Kind, id: string, value: unknown, { expiresAt, group, alias }: Placement): StoredEntry {
    const key = this.name(kind, id);
    const nonce = randomBytes(nonceBytes);
    const plain = Buffer.from(JSON.stringify(value));
    return {
      key,
      sealed: Buffer.concat([nonce, sealBytes(this.contents, nonce, placeOf(kind, key), plain)]),
      ...(expiresAt === undefined ? {} : { expiresAt }),
      ...(group === undefined ? {} : { group: this.name('group', group) }),
      ...(alias === undefined ? {} : { alias: this.name(kind, alias) }),
    };
  }

  private opened<T>(kind: Kind, entry: StoredEntry | undefined): Opened<T> | undefined {
    if (entry === undefined) return undefined;
    const { key, sealed, expiresAt, consumedAt } = entry;
    const nonce = sealed.subarray(0, nonceBytes);
    const plain = openBytes(this.contents, nonce, placeOf(kind, key), sealed.subarray(nonceBytes));
    return { value: JSON.parse(Buffer.from(plain).toString('utf8')) as T, expiresAt, consumedAt, sealed };
  }

  private name(kind: Kind, id: string): string {
    return createHmac('sha256', this.names).update(`${kind}\n${id}`).digest('base64url');
  }
}

/** An entry opens only under the kind and name that it was sealed for. */
function placeOf(kind: Kind, key: string): Buffer {
  return Buffer.from(`smart/${kind}/${key}`);
}
