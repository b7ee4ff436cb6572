/**
 * The thread that reads entries for a backup or a migration, in one snapshot. Answers each message with ExportReply.
 *
 * Terms are kept in order of the term; SQLite sorts them by version once, in a temporary file of blinded bytes.
 */
import { parentPort, workerData } from 'node:worker_threads';
import type { Entry, Link, VersionRecord } from '../catalog.js';
import { Connection, type Row } from './connection.js';
import { loggedErasures } from './erasing.js';
import type { ExportReply } from './export-client.js';
import { packEntries } from './packed-entries.js';
import { termKeyBytes } from './schema.js';
import { unpackBody } from './version-body.js';

const termSize = 16;
/** Versions in one answer, about. */
const batchVersions = 500;
const nothing = new Uint8Array(0);

const { file, from, until } = workerData as { file: string; from: number; until: number };
const db = new Connection(file, 5_000);
db.exec('PRAGMA query_only = ON; PRAGMA temp_store = FILE; PRAGMA cache_size = -65536; BEGIN');
const erasures = new Map(loggedErasures(db, from).map((erasure) => [erasure.seq, erasure]));
const entries = entriesIn();

parentPort!.on('message', () => {
  const batch: Entry[] = [];
  for (let versions = 0; versions < batchVersions;) {
    const { value, done } = entries.next();
    if (done) return answer(batch, true);
    batch.push(value);
    versions += value.versions.length + 1;
  }
  answer(batch, false);
});

function answer(batch: readonly Entry[], done: boolean): void {
  const packed = packEntries(batch);
  parentPort!.postMessage({ entries: packed, done } satisfies ExportReply, [packed]);
}

function* entriesIn(): Generator<Entry> {
  const bounds = db
    .prepare('SELECT min(leafFrom), max(leafUntil) FROM entry WHERE seq >= ? AND seq < ?')
    .get([from, until])!;
  const range = [bounds[0]!, bounds[1]!];
  const terms = new Cursor(
    `SELECT leafIndex, group_concat(hex(term), '') FROM term WHERE leafIndex >= ? AND leafIndex < ? GROUP BY leafIndex`,
    range,
  );
  const links = new Cursor(
    `SELECT l.leafIndex, group_concat(hex(p.name) || hex(r.name), '') FROM link_of l CROSS JOIN param p ON p.pid = l.pid
     CROSS JOIN resource r ON r.rid = l.target WHERE l.leafIndex >= ? AND l.leafIndex < ? GROUP BY l.leafIndex`,
    range,
  );
  const rows = db
    .prepare('SELECT leafIndex, body, leaf FROM content WHERE leafIndex >= ? AND leafIndex < ? ORDER BY leafIndex')
    .iterate(range);
  for (const [seq, time, leafFrom, leafUntil] of db
    .prepare('SELECT seq, time, leafFrom, leafUntil FROM entry WHERE seq >= ? AND seq < ? ORDER BY seq')
    .iterate([from, until])) {
    const erasure = erasures.get(seq as number);
    const versions: VersionRecord[] = [];
    for (let leafIndex = leafFrom as number; leafIndex < (leafUntil as number); leafIndex += 1) {
      const { value } = rows.next() as { value: Row };
      if (erasure?.leafIndex === leafIndex) continue;
      versions.push(versionOf(value, terms.at(leafIndex), links.at(leafIndex)));
    }
    yield {
      seq: seq as number,
      time: time as number,
      versions,
      newKeys: [],
      ...(erasure === undefined ? {} : { erasure }),
    };
  }
}

function versionOf([, body, leaf]: Row, terms: string, links: string): VersionRecord {
  const row = unpackBody(body as Buffer);
  const { resource, versionId, isDeleted, isErased, lastUpdated, block, keyWraps, header } = row;
  return {
    resource,
    versionId,
    isDeleted,
    ...(isErased ? { isErased } : {}),
    lastUpdated,
    ...(block === undefined ? {} : { block }),
    keyWraps,
    header,
    leaf: leaf as Buffer,
    // Terms whose version was erased a moment ago wait for the sweep.
    terms: isErased ? nothing : widened(terms),
    links: isErased ? [] : linksIn(links),
  };
}

/** Terms as the port has them: zeros in the place of the bytes that are not kept. */
function widened(hex: string): Uint8Array {
  const kept = Buffer.from(hex, 'hex');
  const terms = new Uint8Array((kept.byteLength / termKeyBytes) * termSize);
  for (let at = 0, to = 0; at < kept.byteLength; at += termKeyBytes, to += termSize) {
    terms.set(kept.subarray(at, at + termKeyBytes), to);
  }
  return terms;
}

function linksIn(hex: string): Link[] {
  const bytes = Buffer.from(hex, 'hex');
  return Array.from({ length: bytes.byteLength / 32 }, (_, index) => ({
    param: bytes.subarray(index * 32, index * 32 + 16),
    target: bytes.subarray(index * 32 + 16, index * 32 + 32),
  }));
}

/** Rows `[leafIndex, text]` in order, asked for by leafIndex. */
class Cursor {
  private readonly rows: Iterator<Row>;
  private row: Row | undefined;

  constructor(sql: string, parameters: readonly number[] | Row) {
    this.rows = db.prepare(sql).iterate(parameters as number[]);
    this.row = this.next();
  }

  at(leafIndex: number): string {
    while (this.row !== undefined && (this.row[0] as number) < leafIndex) this.row = this.next();
    return this.row?.[0] === leafIndex ? (this.row[1] as string) : '';
  }

  private next(): Row | undefined {
    const { value, done } = this.rows.next() as IteratorResult<Row>;
    return done ? undefined : value;
  }
}
