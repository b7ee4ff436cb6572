/**
 * Brings entries of the log into the index: idempotent, so that a server that died in the middle is followed by any other.
 *
 * Order within an append: versions and keys, then what they supersede, then erasures. Readers look at states before this append, which none
 * of that changes, until the log document is marked.
 */
import { Binary } from 'mongodb';
import type { Entry } from '../catalog.js';
import { forever, nameText, versionDocument, versionId, type LogDocument, type VersionDocument } from './documents.js';
import { applyErasure } from './erasing.js';
import type { MongoLog } from './log.js';
import { guarded, insertMissing, type MongoStore } from './store.js';

interface Step {
  readonly documents: VersionDocument[];
  /** Place in `documents` of the newest version by resource. */
  readonly newest: Map<string, number>;
  /** Resources of which an earlier append has a version that this one supersedes: its number, and the entry. */
  readonly superseded: Map<string, { readonly by: number; readonly seq: number }>;
  readonly keys: { readonly _id: string; readonly value: Binary }[];
}

const batchSize = 500;

/** Applies an append and marks it. */
export async function applyAppend(
  store: MongoStore,
  log: MongoLog,
  document: LogDocument,
  entries: readonly Entry[],
): Promise<void> {
  const inserted: { readonly collection: 'version' | 'key'; readonly ids: string[] }[] = [];
  let leafIndex = document.leafFrom;
  let step = emptyStep();
  for (const entry of entries) {
    for (const version of entry.versions) {
      addVersion(step, versionDocument(version, leafIndex, entry.seq));
      leafIndex += 1;
    }
    for (const { compartment, wrapped } of entry.newKeys) {
      step.keys.push({ _id: nameText(compartment), value: new Binary(wrapped) });
    }
    if (entry.erasure === undefined) continue;
    inserted.push(...(await applyStep(store, step)));
    step = emptyStep();
    await applyErasure(store, { ...entry.erasure, seq: entry.seq, time: entry.time, leafIndex });
    leafIndex += 1;
  }
  inserted.push(...(await applyStep(store, step)));
  if (await log.markApplied(document)) return;
  // Another server had applied all of it before. What could be inserted all the same had been erased since: it must not come back.
  for (const { collection, ids } of inserted) {
    if (ids.length > 0) await guarded(() => store[collection as 'key'].deleteMany({ _id: { $in: ids } }));
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

async function applyStep(store: MongoStore, { documents, superseded, keys }: Step) {
  return guarded(async () => {
    const inserted = [{ collection: 'key' as const, ids: await insertMissing(store.key, keys) }];
    const versions: string[] = [];
    for (let at = 0; at < documents.length; at += batchSize) {
      versions.push(...(await insertMissing(store.version, documents.slice(at, at + batchSize))));
    }
    await supersede(store, superseded);
    return [...inserted, { collection: 'version' as const, ids: versions }];
  });
}

async function supersede({ version }: MongoStore, superseded: Step['superseded']): Promise<void> {
  if (superseded.size === 0) return;
  const updates = [...superseded].map(([resource, { by, seq }]) => ({
    updateOne: { filter: { _id: versionId(resource, by - 1) }, update: { $set: { u: seq } } },
  }));
  const { matchedCount } = await version.bulkWrite(updates, { ordered: false });
  if (matchedCount === updates.length) return;
  // Some version before was erased: what stands below it is superseded then.
  for (const [resource, { by, seq }] of superseded) {
    await version.updateMany({ r: resource, v: { $lt: by }, u: forever }, { $set: { u: seq } });
  }
}
