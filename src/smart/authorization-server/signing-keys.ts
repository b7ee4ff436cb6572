/**
 * The keys that sign id tokens: made once, sealed in the store, shared by every server on it, rotated by `mooring app rotate-keys`.
 *
 * A new key signs as soon as a server learns of it; those before it stay in the key set until what they signed has expired. Spec: RFC 7517.
 */
import { generateKeyPair } from 'node:crypto';
import { promisify } from 'node:util';
import { calculateJwkThumbprint, exportJWK, type JWK } from 'jose';
import type { Clock } from '../../base/clock.js';
import type { SealedStore } from '../store/sealed-store.js';
import { lifetimes } from './lifetimes.js';

const kind = 'SigningKeys';
const name = 'current';
/** Clients keep key sets for a while: an old key is shown for so long after it signed last. */
const shownMs = (lifetimes.idToken + 86_400) * 1000;

/** Private RSA keys (RS256: what SMART asks of id tokens), the one that signs first. */
interface StoredKeys {
  readonly keys: readonly (JWK & { readonly retiredAt?: number })[];
}

export interface SigningKeys {
  readonly keys: JWK[];
}

export async function signingKeys(store: SealedStore): Promise<SigningKeys> {
  const found = await store.get<StoredKeys>(kind, name);
  if (found !== undefined) return plain(found.value);
  const fresh = { keys: [await newKey()] };
  // Another server may have been faster: then its keys count.
  if (await store.putNew(kind, name, fresh, {}, 0)) return plain(fresh);
  return plain((await store.get<StoredKeys>(kind, name))?.value ?? fresh);
}

/** A new key signs from now on. @returns ids of the keys that are shown, the signing one first. */
export async function rotateSigningKeys(store: SealedStore, clock: Clock): Promise<string[]> {
  const now = clock.now();
  await signingKeys(store);
  const known = (await store.get<StoredKeys>(kind, name))?.value.keys ?? [];
  const old = known
    .map((key) => ({ ...key, retiredAt: key.retiredAt ?? now }))
    .filter(({ retiredAt }) => retiredAt + shownMs > now);
  const keys = [await newKey(), ...old];
  await store.put(kind, name, { keys });
  return keys.map(({ kid = '' }) => kid);
}

/** Looks for other keys than those of `last`, at most this often. */
const lookedForMs = 2_000;

/** Tells whether keys were rotated since it was asked before. */
export class KeyWatch {
  #sealed: Uint8Array | undefined;
  #until = -Infinity;

  constructor(
    private readonly store: SealedStore,
    private readonly clock: Clock,
  ) {}

  /** @returns the keys, when they are others than last time: at the first time always. */
  async changed(): Promise<SigningKeys | undefined> {
    const now = this.clock.now();
    if (now < this.#until) return undefined;
    this.#until = now + lookedForMs;
    const entry = await this.store.sealedEntry(kind, name);
    if (entry === undefined) return undefined;
    const isSame = this.#sealed !== undefined && Buffer.compare(this.#sealed, entry.sealed) === 0;
    this.#sealed = entry.sealed;
    return isSame ? undefined : plain(this.store.open<StoredKeys>(kind, entry).value);
  }
}

async function newKey(): Promise<JWK> {
  const { privateKey } = await promisify(generateKeyPair)('rsa', { modulusLength: 2048 });
  const jwk = await exportJWK(privateKey);
  return { ...jwk, alg: 'RS256', use: 'sig', kid: await calculateJwkThumbprint(jwk) };
}

function plain({ keys }: StoredKeys): SigningKeys {
  return { keys: keys.map((key) => Object.fromEntries(Object.entries(key).filter(([name]) => name !== 'retiredAt'))) };
}
