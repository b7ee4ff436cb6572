/**
 * Erasures in the index: versions become places without a name, keys and state go. Idempotent. The erasure's own document and the places come
 * before anything is removed: a server that is late with an earlier append sees by them what must not come back.
 */
import { Binary } from 'mongodb';
import type { LoggedErasure } from '../catalog.js';
import { packErasure, unpackErasure } from '../sqlite/packed-erasure.js';
import { bytesOf, nameText, placeId, seqText, versionId, type VersionDocument } from './documents.js';
import { guarded, insertMissing, type MongoStore } from './store.js';

/** Does what `erasure` says; called again after a crash, it finishes. */
export async function applyErasure(store: MongoStore, erasure: LoggedErasure): Promise<void> {
  const { seq, leafIndex, time, leaf, leaves, compartments, states } = erasure;
  await guarded(async () => {
    await insertMissing(store.erasure, [
      { _id: seqText(seq), l: leafIndex, m: time, value: new Binary(packErasure(erasure)) },
    ]);
    const found = await store.version.find({ l: { $in: [...leaves] } }).toArray();
    await eraseVersions(
      store,
      found.filter(({ r, l }) => r !== undefined && l >= 0),
    );
    if (compartments.length > 0) {
      // A key that came behind this entry stays: whoever is late with the erasure must not destroy what was written since.
      await store.key.deleteMany({ _id: { $in: compartments.map(nameText) }, s: { $not: { $gte: seq } } });
    }
    if (states.length > 0) await store.state.deleteMany({ _id: { $in: [...states] } });
    await insertMissing(store.version, [
      { _id: placeId(leafIndex), l: leafIndex, s: seq, m: time, h: new Binary(leaf), x: 2 },
    ]);
  });
}

async function eraseVersions(store: MongoStore, erased: readonly VersionDocument[]): Promise<void> {
  await insertMissing(
    store.version,
    erased.map(({ l, s, m, h }) => ({ _id: placeId(l), l, s, m, x: 1, ...(h === undefined ? {} : { h }) })),
  );
  // By `_id` and place: the name may have been taken again since.
  for (const { _id, l } of erased) await store.version.deleteOne({ _id, l });
  for (const name of new Set(erased.map(({ r }) => r!))) await settleGaps(store, name);
}

/** Below the newest version that is left, a gap stands where a version was, for `current` looks versions up one after the other. */
async function settleGaps({ version }: MongoStore, name: string): Promise<void> {
  const kept = await version.find({ r: name }, { projection: { v: 1 } }).toArray();
  const newest = Math.max(0, ...kept.map(({ v = 0 }) => v));
  const numbers = new Set(kept.map(({ v }) => v));
  const gaps = Array.from({ length: newest }, (_, index) => index + 1).filter((number) => !numbers.has(number));
  await insertMissing(
    version,
    gaps.map((number) => ({ _id: versionId(name, number), l: -1, s: 0, m: 0 })),
  );
  // Above it, numbers are free again.
  for (let number = newest + 1; ; number += 1) {
    const gone = await version.deleteOne({ _id: versionId(name, number), l: -1 });
    if (gone.deletedCount === 0) return;
  }
}

export function loggedErasures({ erasure }: MongoStore, fromSeq: number): Promise<LoggedErasure[]> {
  return guarded(async () => {
    const found = await erasure
      .find({ _id: { $gte: seqText(fromSeq) } })
      .sort({ _id: 1 })
      .toArray();
    return found.map(({ _id, l, m, value }) => ({
      seq: Number(_id),
      leafIndex: l,
      time: m,
      ...unpackErasure(bytesOf(value)),
    }));
  });
}
