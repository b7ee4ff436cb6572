/**
 * What rotations have in common: procedures in steps whose progress is durable with each step, so that a crash anywhere is gone on from.
 *
 * One rotation at a time. Started by the operator, and by the next start when one was under way.
 */
import { randomUUID } from 'node:crypto';
import { setImmediate as nextTurn } from 'node:timers/promises';
import type { Amendment, Catalog } from './catalog.js';

export type RotatedKey = 'master' | 'compartments' | 'index';

/** Where a rotation is. Durable under `rotation`. */
export interface RotationState {
  readonly key: RotatedKey;
  /** Name of the step, of the rotation's own. */
  readonly step: string;
  /** Where the step goes on: a leafIndex, or the hexadecimal name of a compartment, or a key of small state. */
  readonly next: number | string;
  readonly done: number;
  readonly total: number;
  /** What else the rotation has to remember. */
  readonly generation?: number;
}

const rotationKey = 'rotation';

/** The rotation that is under way. */
export async function readRotation(catalog: Pick<Catalog, 'getState'>): Promise<RotationState | undefined> {
  const text = await rotationMark(catalog);
  if (text === '') return undefined;
  const state = JSON.parse(text) as RotationState | { readonly ended: string };
  return 'ended' in state ? undefined : state;
}

/** Differs after each step of a rotation, its end included: as long as it is the same, no key has changed. */
export async function rotationMark(catalog: Pick<Catalog, 'getState'>): Promise<string> {
  return Buffer.from((await catalog.getState(rotationKey)) ?? []).toString('utf8');
}

/** One step of a rotation forward, with what it changed. */
export async function advance(catalog: Catalog, state: RotationState, change: Amendment = {}): Promise<RotationState> {
  const value = Buffer.from(JSON.stringify(state));
  await catalog.amend({ ...change, state: { key: rotationKey, value } });
  await nextTurn();
  return state;
}

export async function endRotation(catalog: Catalog): Promise<void> {
  await catalog.putState(rotationKey, Buffer.from(JSON.stringify({ ended: randomUUID() })));
}
