/** Entries as the index holds them now: what a backup and a migration read. */
import type { Entry, LoggedErasure } from '../catalog.js';
import { recordOf, type VersionDocument } from './documents.js';
import { loggedErasures } from './erasing.js';
import { guarded, type MongoStore } from './store.js';

const pageSize = 1_000;

/** The entries [from, until), in order. */
export async function* exportEntries(store: MongoStore, from: number, until: number): AsyncIterable<Entry> {
  const erasures = new Map((await loggedErasures(store, from)).map((erasure) => [erasure.seq, erasure]));
  let waiting: VersionDocument[] = [];
  for await (const document of places(store, from, until)) {
    const seq = waiting[0]?.s;
    if (seq !== undefined && seq !== document.s) {
      yield entryOf(waiting, erasures.get(seq));
      waiting = [];
    }
    waiting.push(document);
  }
  const seq = waiting[0]?.s;
  if (seq !== undefined) yield entryOf(waiting, erasures.get(seq));
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
