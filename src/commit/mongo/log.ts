/**
 * The commit log: one document an append, whose `_id` is the next sequence number. A duplicate key means that another server was faster.
 *
 * Entries that do not fit into one document are stored in parts first; the log document that names them is the commit point. At most the newest
 * document is not applied yet, because nobody appends before what is there is applied.
 */
import { randomUUID } from 'node:crypto';
import { setTimeout as pause } from 'node:timers/promises';
import { Binary } from 'mongodb';
import { insertNew } from '../../base/mongo.js';
import { AppendConflict, CatalogUnavailable, type Entry, type Head } from '../catalog.js';
import { inSlices } from '../../base/pause.js';
import { packing, unpackEntries } from '../sqlite/packed-entries.js';
import { bytesOf, seqText, type LogDocument } from './documents.js';
import { guarded, insertMissing, type MongoStore } from './store.js';

/** A document holds at most 16 MiB. */
const partBytes = 8 * 1024 * 1024;
/** How long an append whose reply was lost is tried again. */
const retryMs = 20_000;

export const emptyHead: Head = { seq: 0, leafCount: 0, time: 0 };

export function headAfter({ _id, n, leafUntil, time }: LogDocument): Head {
  return { seq: Number(_id) + n - 1, leafCount: leafUntil, time };
}

export class MongoLog {
  /** Names this process in the documents that it writes. */
  private readonly writer = randomUUID();

  constructor(private readonly store: MongoStore) {}

  /** The document that follows `head`; undefined when there is none. Without the entries themselves. */
  next({ seq }: Head): Promise<LogDocument | undefined> {
    return guarded(async () => {
      const projection = { packed: 0 };
      return (await this.store.log.findOne({ _id: seqText(seq + 1) }, { projection })) ?? undefined;
    });
  }

  /** The newest document, for the start. */
  newest(): Promise<LogDocument | undefined> {
    return guarded(async () => {
      const [newest] = await this.store.log
        .find({}, { projection: { packed: 0 } })
        .sort({ _id: -1 })
        .limit(1)
        .toArray();
      return newest;
    });
  }

  /**
   * Commits entries behind `head`. Tried again when the reply is lost: the document says whose it is.
   * @returns the log document.
   * @throws AppendConflict; CatalogUnavailable when it is not known whether it was done.
   */
  async append(entries: readonly Entry[], head: Head): Promise<LogDocument> {
    const by = `${this.writer}/${randomUUID()}`;
    const bytes = Buffer.from(await inSlices(packing(entries)));
    const parts = bytes.byteLength > partBytes ? Math.ceil(bytes.byteLength / partBytes) : 0;
    const leaves = entries.reduce((sum, entry) => sum + entry.versions.length + (entry.erasure ? 1 : 0), 0);
    const empty = entries.filter(({ versions, erasure }) => versions.length === 0 && erasure === undefined);
    const document: LogDocument = {
      _id: seqText(head.seq + 1),
      n: entries.length,
      leafFrom: head.leafCount,
      leafUntil: head.leafCount + leaves,
      time: entries.at(-1)!.time,
      by,
      ...(empty.length > 0 ? { empty: empty.map(({ seq, time }) => ({ s: seq, m: time })) } : {}),
      ...(parts > 0 ? { parts } : { packed: new Binary(bytes) }),
    };
    // Contents before the document that names them: a crash in between leaves parts that nobody names.
    if (parts > 0) await guarded(() => this.putParts(by, bytes, parts));
    await this.insert(document);
    return document;
  }

  /** The entries of a document that is not applied yet; undefined when it was applied meanwhile. */
  entries({ _id }: LogDocument): Promise<Entry[] | undefined> {
    return guarded(async () => {
      const found = await this.store.log.findOne({ _id });
      if (found === null || found.applied) return undefined;
      const bytes = found.packed === undefined ? await this.parts(found) : bytesOf(found.packed);
      if (bytes === undefined) return undefined;
      return unpackEntries(Uint8Array.from(bytes).buffer);
    });
  }

  /** Marks a document as applied and drops its entries. @returns false when another server had done so. */
  markApplied({ _id, by, parts = 0 }: LogDocument): Promise<boolean> {
    return guarded(async () => {
      const before = await this.store.log.findOne({ _id }, { projection: { applied: 1 } });
      await this.store.log.updateOne({ _id }, { $set: { applied: true }, $unset: { packed: '' } });
      if (parts > 0) await this.store.part.deleteMany({ _id: { $in: partIds(by, parts) } });
      return before?.applied !== true;
    });
  }

  private async insert(document: LogDocument): Promise<void> {
    const until = performance.now() + retryMs;
    for (;;) {
      try {
        if (await guarded(() => insertNew(this.store.log, document))) return;
        break;
      } catch (error) {
        if (!(error instanceof CatalogUnavailable) || performance.now() > until) throw error;
        await pause(200);
      }
    }
    const there = await guarded(() => this.store.log.findOne({ _id: document._id }, { projection: { by: 1 } }));
    if (there?.by === document.by) return;
    if (document.parts) await this.store.part.deleteMany({ _id: { $in: partIds(document.by, document.parts) } });
    throw new AppendConflict(`entry ${Number(document._id)} was appended by another server`);
  }

  private async putParts(by: string, bytes: Buffer, parts: number): Promise<void> {
    const ids = partIds(by, parts);
    for (const [index, _id] of ids.entries()) {
      const piece = bytes.subarray(index * partBytes, (index + 1) * partBytes);
      await insertMissing(this.store.part, [{ _id, bytes: new Binary(piece) }]);
    }
  }

  private async parts({ by, parts = 0 }: LogDocument): Promise<Buffer | undefined> {
    const pieces = await Promise.all(partIds(by, parts).map((_id) => this.store.part.findOne({ _id })));
    if (pieces.includes(null)) return undefined;
    return Buffer.concat(pieces.map((piece) => bytesOf(piece!.bytes)));
  }
}

function partIds(by: string, parts: number): string[] {
  return Array.from({ length: parts }, (_, index) => `${by}/${index}`);
}
