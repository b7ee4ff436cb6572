/**
 * Terms and links of many versions, inserted in the order in which they lie in their tables: a page is looked for once for all that falls on it, and
 * is still in the processor's cache then. Version by version it costs several times as much.
 */
import type { Connection } from './connection.js';
import { termKeyBytes } from './schema.js';

const termSize = 16;
/** Rows are inserted when about so many are gathered, for the sake of memory. */
const mostGathered = 2 ** 18;
/** Below the 24 bits by which terms are sorted, a number has room for so many positions. */
const positions = 2 ** 29;
/** Postings that one statement inserts. */
const postingsAtOnce = 1024;
/** Links that one statement inserts; what is left goes by the next smaller number. */
const linksAtOnce = [256, 16, 1];

type LinkRow = readonly [target: number, pid: number, leafIndex: number];

export class SortedRows {
  private versions: { readonly terms: Uint8Array; readonly leafIndex: number }[] = [];
  private postings = 0;
  private links: LinkRow[] = [];

  constructor(private readonly db: Connection) {}

  /** @param terms packed, 16 bytes each. */
  addTerms(terms: Uint8Array, leafIndex: number): void {
    this.versions.push({ terms, leafIndex });
    this.postings += terms.byteLength / termSize;
    if (this.postings >= mostGathered) this.insert();
  }

  addLink(target: number, pid: number, leafIndex: number): void {
    this.links.push([target, pid, leafIndex]);
    if (this.links.length >= mostGathered) this.insert();
  }

  /** Inserts what was added; to be called before the tables are read, or the transaction ends. */
  insert(): void {
    const { versions, postings, links } = this;
    this.clear();
    this.insertTerms(Buffer.concat(versions.map(({ terms }) => terms)), leavesOf(versions, postings));
    this.insertLinks('link_of', [2, 1, 0], links);
    this.insertLinks('link', [0, 1, 2], links.sort(byTarget));
  }

  /** Forgets what was added and not inserted. */
  clear(): void {
    this.versions = [];
    this.postings = 0;
    this.links = [];
  }

  /** @param leaves leafIndex of each of the terms. The keys are cut out of one byte string inside SQLite: binding each costs more. */
  private insertTerms(terms: Buffer, leaves: Float64Array): void {
    const order = termOrder(terms, leaves.length);
    const statement = this.db.prepare(
      `INSERT OR IGNORE INTO term SELECT substr(?1, key * ${termKeyBytes} + 1, ${termKeyBytes}), value FROM json_each(?2)`,
    );
    for (let from = 0; from < order.length; from += postingsAtOnce) {
      const places = order.subarray(from, from + postingsAtOnce);
      statement.run([keysAt(terms, places), `[${places.map((place) => leaves[place]!).join()}]`]);
    }
  }

  private insertLinks(table: string, columns: readonly number[], links: readonly LinkRow[]): void {
    let from = 0;
    for (const size of linksAtOnce) {
      const values = Array.from({ length: size }, () => '(?, ?, ?)').join();
      for (; from + size <= links.length; from += size) {
        const rows = links.slice(from, from + size);
        this.db
          .prepare(`INSERT OR IGNORE INTO ${table} VALUES ${values}`)
          .run(rows.flatMap((row) => columns.map((column) => row[column]!)));
      }
    }
  }
}

function leavesOf(versions: readonly { readonly terms: Uint8Array; readonly leafIndex: number }[], postings: number) {
  const leaves = new Float64Array(postings);
  let at = 0;
  for (const { terms, leafIndex } of versions) {
    const end = at + terms.byteLength / termSize;
    leaves.fill(leafIndex, at, end);
    at = end;
  }
  return leaves;
}

/** What the table keeps of each of the terms at `places`. */
function keysAt(terms: Uint8Array, places: Float64Array): Uint8Array {
  const keys = Buffer.allocUnsafe(places.length * termKeyBytes);
  let to = 0;
  for (const place of places) {
    const from = place * termSize;
    // Byte by byte: for so few, a call of `set` or `copy` costs more.
    for (let at = 0; at < termKeyBytes; at += 1) keys[to + at] = terms[from + at]!;
    to += termKeyBytes;
  }
  return keys;
}

/** Positions of terms in the order of their first three bytes, which is about that of the table. */
function termOrder(terms: Buffer, count: number): Float64Array {
  const order = new Float64Array(count);
  for (let at = 0; at < count; at += 1) {
    const byte = at * termSize;
    order[at] = ((terms[byte]! << 16) | (terms[byte + 1]! << 8) | terms[byte + 2]!) * positions + at;
  }
  order.sort();
  for (let at = 0; at < count; at += 1) order[at]! %= positions;
  return order;
}

function byTarget([targetA, pidA, leafA]: LinkRow, [targetB, pidB, leafB]: LinkRow): number {
  return targetA - targetB || pidA - pidB || leafA - leafB;
}
