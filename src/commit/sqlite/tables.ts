/** What SQLite's tables say of versions, keys and small state, by name or by place. Synchronous; never waits for the writer. */
import type { Term } from '../../base/ids.js';
import type { CompartmentKey, Head, HistoryRequest, StateValue, VersionRow } from '../catalog.js';
import { Sql } from './compile.js';
import type { Connection, Parameter } from './connection.js';
import { bodiesOf, type RowReader } from './rows.js';
import { termKey } from './schema.js';
import { unpackBody } from './version-body.js';

/** Names that one statement asks for at most. */
const mostNames = 128;

export class Tables {
  /** @param known what is remembered of versions. */
  constructor(
    private readonly db: Connection,
    private readonly known: RowReader,
  ) {}

  head(): Head {
    const row = this.db.prepare('SELECT seq, leafUntil, time FROM entry ORDER BY seq DESC LIMIT 1').get([]);
    const [seq, leafCount, time] = (row ?? [0, 0, 0]) as [number, number, number];
    return { seq, leafCount, time };
  }

  current(resource: Term, asOf: number): VersionRow | undefined {
    // Without a bound on the entry the index of versions is enough, and mostly the newest one is wanted.
    const newest = this.one('r.name = ? ORDER BY v.versionId DESC LIMIT 1', [resource]);
    if (newest === undefined || newest.seq <= asOf) return newest;
    return this.one('r.name = ? AND v.seqFrom <= ? ORDER BY v.versionId DESC LIMIT 1', [resource, asOf]);
  }

  currentOf(resources: readonly Term[], asOf: number): VersionRow[] {
    const rows: VersionRow[] = [];
    for (let at = 0; at < resources.length; at += mostNames) {
      const sql = new Sql().add(`resource r CROSS JOIN version v ON v.rid = r.rid
         CROSS JOIN content c ON c.leafIndex = v.leafIndex WHERE `);
      sql.oneOf('r.name', resources.slice(at, at + mostNames));
      sql.add(' AND v.versionId = (SELECT max(versionId) FROM version n WHERE n.rid = r.rid AND n.seqFrom <= ?)', asOf);
      for (const body of bodiesOf(this.db, sql.text, sql.parameters)) rows.push(this.known.shared(body));
    }
    return rows;
  }

  version(resource: Term, versionId: number): VersionRow | undefined {
    return this.one('r.name = ? AND v.versionId = ?', [resource, versionId]);
  }

  history({ resource, type, asOf, since, before, limit }: HistoryRequest): VersionRow[] {
    const content = 'CROSS JOIN content c ON c.leafIndex = v.leafIndex';
    const bounds = 'v.leafIndex < ? AND v.seqFrom <= ? AND v.lastUpdated >= ? ORDER BY v.leafIndex DESC LIMIT ?';
    const values = [before ?? Number.MAX_SAFE_INTEGER, asOf, since ?? 0, limit];
    if (resource !== undefined) {
      const joins = `resource r CROSS JOIN version v ON v.rid = r.rid ${content}`;
      const order = bounds.replace('v.leafIndex DESC', 'v.versionId DESC');
      return this.rows(`SELECT c.body FROM ${joins} WHERE r.name = ? AND ${order}`, [resource, ...values]);
    }
    if (type !== undefined) {
      const joins = `term t CROSS JOIN version v ON v.leafIndex = t.leafIndex ${content}`;
      const order = bounds.replaceAll('v.leafIndex', 't.leafIndex');
      return this.rows(`SELECT c.body FROM ${joins} WHERE t.term = ? AND ${order}`, [termKey(type), ...values]);
    }
    return this.rows(`SELECT c.body FROM version v ${content} WHERE ${bounds}`, values);
  }

  compartmentKey(compartment: Term): Uint8Array | undefined {
    return this.db.prepare('SELECT wrapped FROM compartment WHERE name = ?').get([compartment])?.[0] as
      Buffer | undefined;
  }

  /** Packed, 32 bytes each. */
  leaves(from: number, until: number): Uint8Array {
    const rows = this.db
      .prepare('SELECT leaf FROM content WHERE leafIndex >= ? AND leafIndex < ? ORDER BY leafIndex')
      .all([from, until]);
    return Buffer.concat(rows.map(([leaf]) => leaf as Buffer));
  }

  versionsByLeaf(from: number, until: number): VersionRow[] {
    return this.rows('SELECT body FROM content WHERE leafIndex >= ? AND leafIndex < ? ORDER BY leafIndex', [
      from,
      until,
    ]);
  }

  state(key: string): Uint8Array | undefined {
    return this.db.prepare('SELECT value FROM state WHERE key = ?').get([key])?.[0] as Buffer | undefined;
  }

  compartmentKeys(after: Term | undefined, limit: number): CompartmentKey[] {
    return this.db
      .prepare('SELECT name, wrapped FROM compartment WHERE name > ? ORDER BY name LIMIT ?')
      .all([after ?? new Uint8Array(0), limit])
      .map(([compartment, wrapped]) => ({ compartment: compartment as Buffer, wrapped: wrapped as Buffer }));
  }

  /** Without what this adapter keeps for itself. */
  states(after: string | undefined, limit: number): StateValue[] {
    return this.db
      .prepare(`SELECT key, value FROM state WHERE key > ? AND key NOT GLOB 'sqlite/*' ORDER BY key LIMIT ?`)
      .all([after ?? '', limit])
      .map(([key, value]) => ({ key: key as string, value: value as Buffer }));
  }

  termCount(): number {
    return this.db.prepare('SELECT count(*) FROM term').get([])![0] as number;
  }

  private one(condition: string, parameters: readonly (Uint8Array | number)[]): VersionRow | undefined {
    const row = this.db
      .prepare(
        `SELECT c.body FROM resource r CROSS JOIN version v ON v.rid = r.rid
         CROSS JOIN content c ON c.leafIndex = v.leafIndex WHERE ${condition}`,
      )
      .get(parameters);
    return row === undefined ? undefined : this.known.shared(row[0] as Buffer);
  }

  private rows(sql: string, parameters: readonly Parameter[]): VersionRow[] {
    return this.db
      .prepare(sql)
      .all(parameters)
      .map(([body]) => unpackBody(body as Buffer));
  }
}
