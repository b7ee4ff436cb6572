/**
 * Rotation of the master key and of the compartments' keys, while the server serves.
 *
 * Nothing but wraps changes: no block, no leaf. Docs: docs/keys.md.
 */
import type { Term } from '../base/ids.js';
import { masterWrapBytes, type KeyRing } from '../vault/key-ring.js';
import { randomBytes } from '../vault/random.js';
import { masterWraps, type Vault } from '../vault/vault.js';
import { keyBytes } from '../vault/xchacha.js';
import type { Catalog, CompartmentKey, KeyWrap, VersionAmendment } from './catalog.js';
import type { Committer } from './committer.js';
import { advance, endRotation, readRotation, type RotationState } from './rotation.js';

export interface KeyRotationServices {
  readonly catalog: Catalog;
  readonly keyRing: KeyRing;
  readonly vault: Vault;
  readonly committer: Pick<Committer, 'alone'>;
  /** With several servers: how long one may take to store what it wrapped under a key of before, once it was told of the new one. */
  readonly graceMs: number;
  /** Told after each step, and awaited; what it throws ends the rotation there. */
  readonly onProgress?: (state: RotationState) => void | Promise<void>;
}

/** Small state that the master key wrapped, by the beginnings of its keys. */
const wrappedStates = ['consent/key/'] as const;

const keysAtOnce = 200;
const versionsAtOnce = 500;

/**
 * Wraps everything under a new master key and forgets the older ones. Goes on where a crash left it.
 * What a backup of before wrapped needs the ring of before: make new shares (`mooring keys backup`).
 */
export async function rotateMaster(services: KeyRotationServices): Promise<void> {
  const { catalog, keyRing, committer, onProgress } = services;
  let state = await readRotation(catalog);
  if (state === undefined) {
    state = await advance(catalog, { key: 'master', step: 'add', next: keyRing.newest, done: 0, total: 0 });
  }
  if (state.step === 'add') {
    // A crash after the ring changed and before the next line: the key is there already.
    if (keyRing.newest === state.next) await keyRing.rotate();
    state = await advance(catalog, { ...state, step: 'compartments', next: '', generation: keyRing.newest });
  }
  // From here on every server wraps under the new key.
  await tellOthers(services);
  const rewrap = (wrap: Uint8Array) => keyRing.wrap(keyRing.unwrap(wrap));
  while (state.step === 'compartments') {
    const keys = await catalog.compartmentKeys(termOf(state.next as string), keysAtOnce);
    const renewed = keys.map(({ compartment, wrapped }) => ({
      compartment,
      wrapped: Buffer.concat(masterWraps(wrapped).map(rewrap)),
    }));
    state = await advance(catalog, nextPage(state, keys, 'states'), { keys: renewed });
    await onProgress?.(state);
  }
  await rewrapStates(catalog, keyRing, rewrap);
  // A compartment that was made while its page was passed is under the new key already: all keys made since `add` are.
  await keyRing.retire();
  await endRotation(catalog);
  // They forget what the ring has forgotten.
  await committer.alone(async () => catalog.announce?.());
}

/**
 * Resolves when nobody can commit any more what was wrapped under keys of before: this server's own writes under way are settled, and other servers
 * can neither commit nor store it.
 */
async function tellOthers({ catalog, committer, graceMs }: KeyRotationServices): Promise<void> {
  await committer.alone(async () => catalog.announce?.());
  if (catalog.announce === undefined) return;
  await new Promise((resolve) => setTimeout(resolve, graceMs));
}

async function rewrapStates(catalog: Catalog, keyRing: KeyRing, rewrap: (wrap: Uint8Array) => Uint8Array) {
  for (const prefix of wrappedStates) {
    for (let after: string | undefined = prefix; after !== undefined;) {
      const page = await catalog.states(after, keysAtOnce);
      const own = page.filter(({ key }) => key.startsWith(prefix));
      for (const { key, value } of own) {
        const isOld = value.byteLength === masterWrapBytes && Buffer.from(value).readUInt32BE(0) !== keyRing.newest;
        if (isOld) await catalog.putState(key, rewrap(value));
      }
      after = own.length === keysAtOnce ? own.at(-1)!.key : undefined;
    }
  }
}

/**
 * Gives every compartment a new key, wraps all data keys under it, and forgets the keys before. Goes on where a crash left it.
 *
 * In between a compartment has two keys: `new ‖ old`; the new one wraps, both unwrap.
 */
export async function rotateCompartments(services: KeyRotationServices): Promise<void> {
  const { catalog, keyRing, vault, committer, onProgress } = services;
  let state =
    (await readRotation(catalog)) ??
    (await advance(catalog, { key: 'compartments', step: 'double', next: '', done: 0, total: 0 }));
  while (state.step === 'double') {
    const keys = await catalog.compartmentKeys(termOf(state.next as string), keysAtOnce);
    const doubled = keys
      .filter(({ wrapped }) => wrapped.byteLength === masterWrapBytes)
      .map(({ compartment, wrapped }) => ({ compartment, wrapped: withFreshKey(keyRing, wrapped) }));
    // Alone: a key that is made for a compartment meanwhile, or a seal under way, is committed before or after.
    state = await committer.alone(async () => {
      try {
        return await advance(catalog, nextPage(state!, keys, 'rewrap', 0), { keys: doubled });
      } finally {
        // Also when it failed: it may have been done all the same, and a wrap under the key of before would open for its memory alone.
        for (const { compartment } of keys) vault.forget(compartment);
      }
    });
    await onProgress?.(state);
  }
  if (state.step === 'rewrap') await tellOthers(services);
  while (state.step === 'rewrap') {
    const from = state.next as number;
    const rows = await catalog.versionsByLeaf(from, from + versionsAtOnce);
    const versions: VersionAmendment[] = [];
    for (const { leafIndex, keyWraps } of rows) {
      const renewed = await rewrapped(vault, keyWraps);
      if (renewed !== undefined) versions.push({ leafIndex, keyWraps: renewed });
    }
    const isLast = rows.length < versionsAtOnce;
    const place = isLast ? { step: 'drop', next: '' } : { next: from + versionsAtOnce };
    state = await advance(
      catalog,
      { ...state, ...place, done: from + rows.length, total: catalog.head().leafCount },
      { versions },
    );
    await onProgress?.(state);
  }
  while (state.step === 'drop') {
    const keys = await catalog.compartmentKeys(termOf(state.next as string), keysAtOnce);
    const single = keys
      .filter(({ wrapped }) => wrapped.byteLength > masterWrapBytes)
      .map(({ compartment, wrapped }) => ({ compartment, wrapped: wrapped.subarray(0, masterWrapBytes) }));
    state = await advance(catalog, nextPage(state, keys, 'done'), { keys: single });
    await onProgress?.(state);
  }
  await endRotation(catalog);
}

function withFreshKey(keyRing: KeyRing, wrapped: Uint8Array): Uint8Array {
  const key = randomBytes(keyBytes);
  const doubled = Buffer.concat([keyRing.wrap(key), wrapped]);
  key.fill(0);
  return doubled;
}

/** The wraps of a version under the newest keys; undefined when they are. */
async function rewrapped(vault: Vault, keyWraps: readonly KeyWrap[]): Promise<KeyWrap[] | undefined> {
  const renewed = await Promise.all(keyWraps.map((wrap) => vault.rewrap(wrap)));
  if (renewed.every((wrap) => wrap === undefined)) return undefined;
  return keyWraps.map((wrap, index) => renewed[index] ?? wrap);
}

function nextPage(
  state: RotationState,
  keys: readonly CompartmentKey[],
  then: string,
  next: number | string = '',
): RotationState {
  const done = state.done + keys.length;
  if (keys.length < keysAtOnce) return { ...state, step: then, next, done };
  return { ...state, next: Buffer.from(keys.at(-1)!.compartment).toString('hex'), done };
}

function termOf(hex: string): Term | undefined {
  return hex === '' ? undefined : Buffer.from(hex, 'hex');
}
