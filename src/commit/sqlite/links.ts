/**
 * Links of many versions, and the current versions of many resources, each in one statement.
 *
 * SQLite hands out one text much faster than many rows, so links come as numbers in a text; the names behind the numbers repeat (practitioners,
 * hospitals, the patient) and are remembered.
 */
import type { Term } from '../../base/ids.js';
import { Recent } from '../../vault/recent.js';
import type { LinkOf } from '../catalog.js';
import { Sql } from './compile.js';
import type { Connection } from './connection.js';
import { numberList } from './number-list.js';

/** Numbers that one statement asks for at most. */
const mostAtOnce = 512;

export class LinkReader {
  private readonly params = new Map<number, Term>();
  private readonly names = new Recent<number, Term>(20_000);

  constructor(private readonly db: Connection) {}

  /** In order of leafIndex. @param params empty: all. */
  linksOf(leafIndexes: readonly number[], params: readonly Term[]): LinkOf[] {
    const wanted = new Set(params.map(keyOf));
    const found: (readonly [leafIndex: number, param: Term, target: number])[] = [];
    for (let at = 0; at < leafIndexes.length; at += mostAtOnce) {
      for (const [leafIndex, pid, rid] of this.triples(leafIndexes.slice(at, at + mostAtOnce))) {
        const param = this.paramOf(pid);
        if (wanted.size === 0 || wanted.has(keyOf(param))) found.push([leafIndex, param, rid]);
      }
    }
    this.learnNames(found.map(([, , rid]) => rid));
    return found.flatMap(([leafIndex, param, rid]) => {
      const target = this.names.get(rid) ?? this.nameOf(rid);
      return target === undefined ? [] : [{ leafIndex, param, target }];
    });
  }

  /** The resources that versions link to, each once, in order of leafIndex. */
  targetsOf(leafIndexes: readonly number[]): Term[] {
    const rids = new Set<number>();
    for (let at = 0; at < leafIndexes.length; at += mostAtOnce) {
      const sql = new Sql().add('SELECT group_concat(target) FROM (SELECT DISTINCT target FROM link_of WHERE ');
      sql.oneOfRows('leafIndex', leafIndexes.slice(at, at + mostAtOnce)).add(')');
      for (const rid of numberList(this.db.prepare(sql.text).get(sql.parameters)![0])) rids.add(rid);
    }
    const targets = [...rids];
    this.learnNames(targets);
    return targets.flatMap((rid) => this.names.get(rid) ?? this.nameOf(rid) ?? []);
  }

  /** Forgets names (erasure). */
  forget(): void {
    this.names.clear();
  }

  private triples(leafIndexes: readonly number[]): [number, number, number][] {
    const sql = new Sql().add("SELECT group_concat(leafIndex || ',' || pid || ',' || target) FROM link_of WHERE ");
    sql.oneOfRows('leafIndex', leafIndexes);
    const [text] = this.db.prepare(sql.text).get(sql.parameters)!;
    if (typeof text !== 'string') return [];
    const numbers = text.split(',');
    const triples: [number, number, number][] = [];
    for (let at = 0; at < numbers.length; at += 3)
      triples.push([Number(numbers[at]), Number(numbers[at + 1]), Number(numbers[at + 2])]);
    return triples;
  }

  private paramOf(pid: number): Term {
    let name = this.params.get(pid);
    if (name === undefined) {
      name = this.db.prepare('SELECT name FROM param WHERE pid = ?').get([pid])![0] as Buffer;
      this.params.set(pid, name);
    }
    return name;
  }

  private learnNames(rids: readonly number[]): void {
    const unknown = [...new Set(rids)].filter((rid) => this.names.get(rid) === undefined);
    if (unknown.length < 2) return;
    for (let at = 0; at < unknown.length; at += mostAtOnce) {
      const sql = new Sql().add("SELECT group_concat(rid || ' ' || hex(name)) FROM resource WHERE ");
      sql.oneOfRows('rid', unknown.slice(at, at + mostAtOnce));
      const [text] = this.db.prepare(sql.text).get(sql.parameters)!;
      if (typeof text !== 'string') continue;
      for (const pair of text.split(',')) {
        const [rid, name] = pair.split(' ');
        this.names.set(Number(rid), Buffer.from(name!, 'hex'));
      }
    }
  }

  private nameOf(rid: number): Term | undefined {
    const name = this.db.prepare('SELECT name FROM resource WHERE rid = ?').get([rid])?.[0] as Buffer | undefined;
    if (name !== undefined) this.names.set(rid, name);
    return name;
  }
}

function keyOf(term: Term): string {
  return Buffer.from(term.buffer, term.byteOffset, term.byteLength).toString('latin1');
}
