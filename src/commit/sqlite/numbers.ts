/**
 * The numbers that stand for names in the tables: `rid` of a resource, `pid` of a parameter. A name keeps its number until it is erased, and the
 * same few names (patients, practitioners, parameters) are asked for again and again, so they are remembered until `forget`.
 */
import type { Term } from '../../base/ids.js';
import { Recent } from '../../vault/recent.js';
import { Sql } from './compile.js';
import type { Connection } from './connection.js';
import { numberList } from './number-list.js';

/** Names that one statement asks for at most. */
const mostNames = 128;
/** Names remembered at most, about 100 bytes each. */
const mostKnown = 20_000;

export class Numbers {
  private readonly rids = new Recent<string, number>(mostKnown);
  private readonly pids = new Map<string, number>();

  constructor(private readonly db: Connection) {}

  /** Of those resources that have a number, in no order. */
  ridsOf(names: readonly Term[]): number[] {
    const known: number[] = [];
    const others: Term[] = [];
    for (const name of names) {
      const rid = this.rids.get(keyOf(name));
      if (rid === undefined) others.push(name);
      else known.push(rid);
    }
    for (let at = 0; at < others.length; at += mostNames) known.push(...this.read(others.slice(at, at + mostNames)));
    return known;
  }

  /** Of those parameters that have a number. */
  pidsOf(params: readonly Term[]): number[] {
    return params.flatMap((param) => {
      const key = keyOf(param);
      const known = this.pids.get(key);
      if (known !== undefined) return known;
      const pid = this.db.prepare('SELECT pid FROM param WHERE name = ?').get([param])?.[0] as number | undefined;
      if (pid === undefined) return [];
      this.pids.set(key, pid);
      return pid;
    });
  }

  /** Forgets resources (erasure). */
  forget(): void {
    this.rids.clear();
  }

  private read(names: readonly Term[]): number[] {
    const sql = new Sql().add('SELECT group_concat(rid), group_concat(hex(name)) FROM resource WHERE ');
    sql.oneOf('name', names);
    const [numbers, texts] = this.db.prepare(sql.text).get(sql.parameters)!;
    const rids = numberList(numbers);
    const found = typeof texts === 'string' ? texts.split(',') : [];
    rids.forEach((rid, index) => this.rids.set(Buffer.from(found[index]!, 'hex').toString('latin1'), rid));
    return rids;
  }
}

function keyOf(name: Term): string {
  return Buffer.from(name.buffer, name.byteOffset, name.byteLength).toString('latin1');
}
