/** Entries as the index holds them now: what a backup and a migration read. */
import type { Entry, LoggedErasure } from '../catalog.js';
import { recordOf, seqText, type VersionDocument } from './documents.js';
import { loggedErasures } from './erasing.js';
import { guarded, type MongoStore } from './store.js';

const pageSize = 5_000;

/** The entries [from, until), in order. */
export async function* exportEntries(store: MongoStore, from: number, until: number): AsyncIterable<Entry> {
  const erasures = new Map((await loggedErasures(store, from)).map((erasure) => [erasure.seq, erasure]));
  let next = Math.max(1, from);
  for await (const documents of together(places(store, from, until))) {
    const seq = documents[0]!.s;
    for (; next < seq; next += 1) yield await emptyEntry(store, next);
    yield entryOf(documents, erasures.get(seq));
    next = seq + 1;
  }
  for (; next < until; next += 1) yield await emptyEntry(store, next);
}

/** Those of one entry at a time. */
async function* together(documents: AsyncIterable<VersionDocument>): AsyncIterable<VersionDocument[]> {
  let waiting: VersionDocument[] = [];
  for await (const document of documents) {
    if (waiting.length > 0 && waiting[0]!.s !== document.s) {
      yield waiting;
      waiting = [];
    }
    waiting.push(document);
  }
  if (waiting.length > 0) yield waiting;
}

/** An announcement: no document of the index tells of it. */
async function emptyEntry({ log }: MongoStore, seq: number): Promise<Entry> {
  const [document] = await guarded(() =>
    log
      .find({ _id: { $lte: seqText(seq) } }, { projection: { empty: 1 } })
      .sort({ _id: -1 })
      .limit(1)
      .toArray(),
  );
  const time = document?.empty?.find(({ s }) => s === seq)?.m ?? 0;
  return { seq, time, versions: [], newKeys: [] };
}

/** Every place once, in order of its leaf. */
async function* places({ version }: MongoStore, from: number, until: number): AsyncIterable<VersionDocument> {
  for (let after = -1; ;) {
    const filter = { s: { $gte: from, $lt: until }, l: { $gt: after } };
    const page = await guarded(() => version.find(filter).sort({ l: 1 }).limit(pageSize).toArray());
    const byLeaf = new Map<number, VersionDocument>();
    for (const document of page)
      if (document.x !== undefined || !byLeaf.has(document.l)) byLeaf.set(document.l, document);
    yield* byLeaf.values();
    if (page.length < pageSize) return;
    after = page.at(-1)!.l;
  }
}

function entryOf(documents: readonly VersionDocument[], erasure: LoggedErasure | undefined): Entry {
  const { s: seq, m: time } = documents[0]!;
  const versions = documents.filter(({ x }) => x !== 2).map(recordOf);
  if (erasure === undefined) return { seq, time, versions, newKeys: [] };
  const { leaf, leaves, compartments, blocks, states } = erasure;
  return { seq, time, versions, newKeys: [], erasure: { leaf, leaves, compartments, blocks, states } };
}
