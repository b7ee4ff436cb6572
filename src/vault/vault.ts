/**
 * The vault: seals contents under data keys, data keys under compartment keys, compartment keys under the master key.
 *
 * Knows no store: wrapped compartment keys are asked for, new ones are handed out to be committed with the first version that uses them.
 */
import type { KeyObject } from 'node:crypto';
import type { BlockDigest, Term } from '../base/ids.js';
import type { SealedBlock } from '../ipfs/block-store.js';
import type { KeyRing } from './key-ring.js';
import { KeyUnavailable, masterWrapBytes } from './key-ring.js';
import { forgetUnwrappers, unwrapKey, wrapKey, wrappingKey } from './key-wrap.js';
import { randomBytes } from './random.js';
import { Recent } from './recent.js';
import { isWhole, openContent, openWhole, sealContent } from './sealing.js';
import { keyBytes } from './xchacha.js';

/** A key under a compartment's key, or a compartment's key under the master key. */
export interface WrappedFor {
  readonly compartment: Term;
  readonly wrapped: Uint8Array;
}

export interface SealedVersion {
  /** The block that the log names. */
  readonly block: BlockDigest;
  readonly blocks: readonly SealedBlock[];
  /** The data key, wrapped for each compartment. */
  readonly keyWraps: readonly WrappedFor[];
}

export interface VaultServices {
  readonly keyRing: KeyRing;
  /** The wrapped key of a compartment as the catalog holds it; undefined when the compartment has none yet. */
  readonly storedKey: (compartment: Term) => Uint8Array | undefined | Promise<Uint8Array | undefined>;
}

export class Vault {
  /** Compartment keys in use, by the name's bytes as latin1 text. */
  private readonly keys = new Recent<string, KeyObject>(20_000);
  /** Grows whenever something is forgotten. */
  private forgotten = 0;

  constructor(private readonly services: VaultServices) {}

  /**
   * Seals `content` under a fresh data key, and that key for every compartment.
   * @param reference `type/id/versionId`, bound to the content.
   * @param compartments at least one.
   * @param fresh keys made for compartments that have none yet: commit `fresh.records()`, then `adopt(fresh)`; when the commit fails, drop it.
   */
  async seal(
    reference: string,
    content: Uint8Array,
    compartments: readonly Term[],
    fresh: FreshKeys,
  ): Promise<SealedVersion> {
    const { dataKey, keyWraps } = await this.newDataKey(compartments, fresh);
    const { block, blocks } = await sealContent(dataKey, reference, content);
    dataKey.fill(0);
    return { block, blocks, keyWraps };
  }

  /**
   * A data key for one content (wipe it after use), and its wraps for every compartment.
   * @param compartments at least one.
   * @param fresh as for `seal`.
   */
  async newDataKey(
    compartments: readonly Term[],
    fresh: FreshKeys,
  ): Promise<{ readonly dataKey: Uint8Array; readonly keyWraps: readonly WrappedFor[] }> {
    if (compartments.length === 0) throw new RangeError('a version is sealed for at least one compartment');
    const dataKey = randomBytes(keyBytes);
    const keyWraps: WrappedFor[] = [];
    for (const compartment of compartments) {
      const key = this.cached(compartment) ?? fresh.get(compartment) ?? (await this.load(compartment));
      keyWraps.push({ compartment, wrapped: wrapKey(key ?? this.make(compartment, fresh), dataKey) });
    }
    return { dataKey, keyWraps };
  }

  /**
   * @param keyWraps of the version; the first whose compartment key is at hand opens it.
   * @param block bytes of the block that the log names.
   * @param fetch further blocks, by digest.
   * @throws KeyUnavailable when no wrap opens (erased, or the master key is gone), SealBroken, what `fetch` throws.
   */
  async open(
    reference: string,
    keyWraps: readonly WrappedFor[],
    block: Uint8Array,
    fetch: (digest: BlockDigest) => Promise<Uint8Array>,
  ): Promise<Uint8Array> {
    return openContent(await this.dataKey(keyWraps), reference, block, fetch);
  }

  /** As `open`, at once, where the block holds all of the content and its key is at hand; undefined: ask `open`. @throws SealBroken */
  openNow(reference: string, keyWraps: readonly WrappedFor[], block: Uint8Array): Uint8Array | undefined {
    if (!isWhole(block)) return undefined;
    for (const { compartment, wrapped } of keyWraps) {
      const key = this.cached(compartment);
      const dataKey = key === undefined ? undefined : unwrapped(key, wrapped);
      if (dataKey !== undefined) return openWhole(dataKey, reference, block);
    }
    return undefined;
  }

  /** Makes keys usable that are committed now. */
  adopt(fresh: FreshKeys): void {
    for (const [name, { key }] of fresh.byName) this.keys.set(name, key);
  }

  /** Forgets a compartment's key, after it was erased or wrapped anew; without a name, all of them. */
  forget(compartment?: Term): void {
    this.forgotten += 1;
    forgetUnwrappers();
    if (compartment === undefined) this.keys.clear();
    else this.keys.delete(nameOf(compartment));
  }

  /** The data key out of the first wrap that opens. */
  async dataKey(keyWraps: readonly WrappedFor[]): Promise<Uint8Array> {
    let hasKey = false;
    for (const { compartment, wrapped } of keyWraps) {
      const key = this.cached(compartment) ?? (await this.load(compartment));
      if (key === undefined) continue;
      hasKey = true;
      const opened = unwrapped(key, wrapped) ?? (await this.openWithOthers(compartment, wrapped));
      if (opened !== undefined) return opened;
    }
    throw new KeyUnavailable(
      hasKey ? 'a wrapped key does not open' : 'no compartment of this version has a key any more',
    );
  }

  /**
   * The wrap of a data key anew, under the compartment's newest key; undefined when that is what wraps it, or the compartment has no key.
   * @throws KeyUnavailable when no key of the compartment opens it.
   */
  async rewrap({ compartment, wrapped }: WrappedFor): Promise<WrappedFor | undefined> {
    const key = this.cached(compartment) ?? (await this.load(compartment));
    if (key === undefined || unwrapped(key, wrapped) !== undefined) return undefined;
    const dataKey = await this.openWithOthers(compartment, wrapped);
    if (dataKey === undefined) throw new KeyUnavailable('a wrapped key does not open with any key of its compartment');
    return { compartment, wrapped: wrapKey((await this.load(compartment))!, dataKey) };
  }

  /** While keys are rotated a compartment has several; what is remembered may also be older than what is stored. */
  private async openWithOthers(compartment: Term, wrapped: Uint8Array): Promise<Uint8Array | undefined> {
    const stored = await this.services.storedKey(compartment);
    for (const wrap of masterWraps(stored)) {
      const opened = unwrapped(this.keyFrom(wrap), wrapped);
      if (opened !== undefined) return opened;
    }
    return undefined;
  }

  private cached(compartment: Term): KeyObject | undefined {
    return this.keys.get(nameOf(compartment));
  }

  private async load(compartment: Term): Promise<KeyObject | undefined> {
    const { forgotten } = this;
    const wrapped = await this.services.storedKey(compartment);
    if (wrapped === undefined) return undefined;
    const key = this.keyFrom(wrapped.subarray(0, masterWrapBytes));
    // What was read before something was forgotten may be what was to be forgotten.
    if (forgotten === this.forgotten) this.keys.set(nameOf(compartment), key);
    return key;
  }

  private keyFrom(wrap: Uint8Array): KeyObject {
    const bytes = this.services.keyRing.unwrap(wrap);
    const key = wrappingKey(bytes);
    bytes.fill(0);
    return key;
  }

  private make(compartment: Term, fresh: FreshKeys): KeyObject {
    const bytes = randomBytes(keyBytes);
    const key = wrappingKey(bytes);
    fresh.byName.set(nameOf(compartment), {
      key,
      record: { compartment, wrapped: this.services.keyRing.wrap(bytes) },
    });
    bytes.fill(0);
    return key;
  }
}

/** Compartment keys that were made but are not committed yet. */
export class FreshKeys {
  readonly byName = new Map<string, { readonly key: KeyObject; readonly record: WrappedFor }>();

  /** @param earlier keys that will be committed before, or together with, these. */
  constructor(private earlier?: FreshKeys) {}

  get(compartment: Term): KeyObject | undefined {
    return this.byName.get(nameOf(compartment))?.key ?? this.earlier?.get(compartment);
  }

  /** What has to be committed: the keys made for this set, not the earlier ones. */
  records(): WrappedFor[] {
    return [...this.byName.values()].map(({ record }) => record);
  }

  /** The earlier ones are committed, and the vault has adopted them. */
  forgetEarlier(): void {
    this.earlier = undefined;
  }

  /** Makes these keys part of the earlier set. */
  join(): void {
    for (const [name, made] of this.byName) this.earlier?.byName.set(name, made);
  }
}

/** The wraps of a compartment's key that are stored, newest first: one, but while keys are rotated. */
export function masterWraps(stored: Uint8Array | undefined): Uint8Array[] {
  if (stored === undefined) return [];
  return Array.from({ length: stored.byteLength / masterWrapBytes }, (_, index) =>
    stored.subarray(index * masterWrapBytes, (index + 1) * masterWrapBytes),
  );
}

function unwrapped(key: KeyObject, wrapped: Uint8Array): Uint8Array | undefined {
  try {
    return unwrapKey(key, wrapped);
  } catch (error) {
    if (error instanceof KeyUnavailable) return undefined;
    throw error;
  }
}

function nameOf(compartment: Term): string {
  return Buffer.from(compartment.buffer, compartment.byteOffset, compartment.byteLength).toString('latin1');
}
