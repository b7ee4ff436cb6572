/** Amendments: new terms, links, headers and wraps of versions. Repeating one ends in the same state; its `state` is written last. */
import { Binary } from 'mongodb';
import { CatalogUnavailable, type Amendment, type VersionAmendment } from '../catalog.js';
import { packWraps } from '../sqlite/packed-entries.js';
import { linkText, nameText, termTexts, type VersionDocument } from './documents.js';
import { guarded, type MongoStore } from './store.js';

const mostAttempts = 10;
/** Appends wait for no more amendments than this. */
const piece = 50;

/** @param inTurn runs what changes versions, one after the other. */
export async function amend(
  store: MongoStore,
  { versions = [], keys = [], addsKeys, state }: Amendment,
  inTurn: <T>(task: () => Promise<T>) => Promise<T>,
): Promise<void> {
  await guarded(async () => {
    let waiting: readonly VersionAmendment[] = versions;
    for (let attempt = 0; waiting.length > 0; attempt += 1) {
      if (attempt === mostAttempts) throw new CatalogUnavailable('another server kept amending the same versions');
      const lost: VersionAmendment[] = [];
      for (let at = 0; at < waiting.length; at += piece) {
        const now = waiting.slice(at, at + piece);
        lost.push(...(await inTurn(() => amendVersions(store, now))));
      }
      waiting = lost;
    }
    if (keys.length > 0) {
      const updates = keys.map(({ compartment, wrapped }) => ({
        updateOne: {
          filter: { _id: nameText(compartment) },
          update: { $set: { value: new Binary(wrapped) }, $setOnInsert: { s: 0 } },
          upsert: addsKeys ?? false,
        },
      }));
      await store.key.bulkWrite(updates, { ordered: false });
    }
    if (state !== undefined) await putState(store, state.key, state.value);
  });
}

export async function putState({ state }: MongoStore, key: string, value: Uint8Array): Promise<void> {
  await state.updateOne({ _id: key }, { $set: { value: new Binary(Buffer.from(value)) } }, { upsert: true });
}

/** @returns those that another server amended at the same time: to be tried again. */
async function amendVersions({ version }: MongoStore, amendments: readonly VersionAmendment[]) {
  const wanted = new Map(amendments.map((amendment) => [amendment.leafIndex, amendment]));
  const found = await version.find({ l: { $in: [...wanted.keys()] }, r: { $exists: true } }).toArray();
  const lost: VersionAmendment[] = [];
  for (const document of found) {
    const amendment = wanted.get(document.l)!;
    const { _id, q = 0 } = document;
    const update = { $set: { ...amended(document, amendment), q: q + 1 } };
    const { matchedCount } = await version.updateOne({ _id, q }, update);
    if (matchedCount === 0) lost.push(amendment);
  }
  return lost;
}

function amended(document: VersionDocument, amendment: VersionAmendment): Partial<VersionDocument> {
  const { header, keyWraps, addTerms, removeTerms, addLinks = [], removeLinks = [] } = amendment;
  const terms = changed(document.t, termTexts(removeTerms), termTexts(addTerms));
  const texts = (links: typeof addLinks) => links.map(({ param, target }) => linkText(param, target));
  const links = changed(document.k, texts(removeLinks), texts(addLinks));
  return {
    ...(header === undefined ? {} : { e: new Binary(Buffer.from(header)) }),
    ...(keyWraps === undefined ? {} : { w: new Binary(packWraps(keyWraps)) }),
    ...(addTerms === undefined && removeTerms === undefined ? {} : { t: terms }),
    ...(addLinks.length + removeLinks.length === 0 ? {} : { k: links }),
  };
}

function changed(had: readonly string[] = [], less: readonly string[], more: readonly string[]): string[] {
  const all = new Set(had);
  for (const text of less) all.delete(text);
  for (const text of more) all.add(text);
  return [...all];
}
