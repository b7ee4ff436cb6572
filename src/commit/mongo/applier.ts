/**
 * Brings entries of the log into the index: idempotent, so that a server that died in the middle is followed by any other.
 *
 * Order within an append: versions and keys, then what they supersede, then erasures. Readers look at states before this append, which none
 * of that changes, until the log document is marked.
 */
import { Binary } from 'mongodb';
import type { Entry } from '../catalog.js';
import {
  forever,
  nameText,
  placeId,
  versionDocument,
  versionId,
  type KeyDocument,
  type LogDocument,
  type VersionDocument,
} from './documents.js';
import { applyErasure, loggedErasures } from './erasing.js';
import type { MongoLog } from './log.js';
import { guarded, insertMissing, type MongoStore } from './store.js';

interface Step {
  readonly documents: VersionDocument[];
  /** Place in `documents` of the newest version by resource. */
  readonly newest: Map<string, number>;
  /** Resources of which an earlier append has a version that this one supersedes: its number, and the entry. */
  readonly superseded: Map<string, { readonly by: number; readonly seq: number }>;
  readonly keys: KeyDocument[];
}

/** What an append put into the index by itself. */
interface Inserted {
  readonly keys: KeyDocument[];
  readonly versions: VersionDocument[];
}

const batchSize = 500;

/** Applies an append and marks it. */
export async function applyAppend(
  store: MongoStore,
  log: MongoLog,
  document: LogDocument,
  entries: readonly Entry[],
): Promise<void> {
  const inserted: Inserted = { keys: [], versions: [] };
  let leafIndex = document.leafFrom;
  let step = emptyStep();
  for (const entry of entries) {
    for (const version of entry.versions) {
      addVersion(step, versionDocument(version, leafIndex, entry.seq));
      leafIndex += 1;
    }
    for (const { compartment, wrapped } of entry.newKeys) {
      step.keys.push({ _id: nameText(compartment), value: new Binary(wrapped), s: entry.seq });
    }
    if (entry.erasure === undefined) continue;
    await applyStep(store, step, inserted);
    step = emptyStep();
    await applyErasure(store, { ...entry.erasure, seq: entry.seq, time: entry.time, leafIndex });
    leafIndex += 1;
  }
  await applyStep(store, step, inserted);
  if (!(await log.markApplied(document))) await guarded(() => takeBackErased(store, inserted));
}

/**
 * Another server had applied all of the append before this one had. What this one inserted nevertheless either was there first, and stays; or had been
 * erased since, and must not come back. An erasure leaves places and its own document before it removes anything: they tell which.
 */
async function takeBackErased(store: MongoStore, { keys, versions }: Inserted): Promise<void> {
  const places = await store.version
    .find({ _id: { $in: versions.map(({ l }) => placeId(l)) } }, { projection: { l: 1 } })
    .toArray();
  const erased = new Set(places.map(({ l }) => l));
  for (const { _id, l } of versions) if (erased.has(l)) await store.version.deleteOne({ _id, l });
  if (keys.length === 0) return;
  const erasures = await loggedErasures(store, keys[0]!.s);
  for (const { _id, s } of keys) {
    const isErased = erasures.some(({ seq, compartments }) => seq > s && compartments.map(nameText).includes(_id));
    if (isErased) await store.key.deleteOne({ _id, s });
  }
}

function emptyStep(): Step {
  return { documents: [], newest: new Map(), superseded: new Map(), keys: [] };
}

function addVersion({ documents, newest, superseded }: Step, document: VersionDocument): void {
  const { r, v, s } = document;
  if (r !== undefined && v !== undefined) {
    const before = newest.get(r);
    if (before !== undefined) documents[before] = { ...documents[before]!, u: s };
    else if (v > 1) superseded.set(r, { by: v, seq: s });
    newest.set(r, documents.length);
  }
  documents.push(document);
}

async function applyStep(store: MongoStore, { documents, superseded, keys }: Step, inserted: Inserted): Promise<void> {
  await guarded(async () => {
    inserted.keys.push(...(await insertMissing(store.key, keys)));
    for (let at = 0; at < documents.length; at += batchSize) {
      inserted.versions.push(...(await insertMissing(store.version, documents.slice(at, at + batchSize))));
    }
    await supersede(store, superseded);
  });
}

async function supersede({ version }: MongoStore, superseded: Step['superseded']): Promise<void> {
  if (superseded.size === 0) return;
  const updates = [...superseded].map(([resource, { by, seq }]) => ({
    // Of an earlier entry: the name may have been erased, and taken again, since.
    updateOne: { filter: { _id: versionId(resource, by - 1), s: { $lt: seq } }, update: { $set: { u: seq } } },
  }));
  const { matchedCount } = await version.bulkWrite(updates, { ordered: false });
  if (matchedCount === updates.length) return;
  // Some version before was erased: what stands below it is superseded then.
  for (const [resource, { by, seq }] of superseded) {
    await version.updateMany({ r: resource, v: { $lt: by }, s: { $lt: seq }, u: forever }, { $set: { u: seq } });
  }
}
