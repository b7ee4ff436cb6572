/**
 * One SQLite connection (libsql), reduced to what is safe: parameters always as one array (other forms abort the process), rows as arrays.
 */
import Database from 'libsql';
import { Recent } from '../../vault/recent.js';

/** Numbers are bound as REAL: compare them with, or store them in, columns of INTEGER affinity. */
export type Parameter = number | string | Uint8Array | null;
export type Row = readonly (number | string | Buffer | null)[];

export interface Statement {
  /** The first row. */
  get(parameters: readonly Parameter[]): Row | undefined;
  all(parameters: readonly Parameter[]): Row[];
  /** Row by row. Another call of the same statement ends it. */
  iterate(parameters: readonly Parameter[]): IterableIterator<Row>;
  /** @returns rows changed, and the rowid of the last insert. */
  run(parameters: readonly Parameter[]): { readonly changes: number; readonly lastInsertRowid: number };
}

export class Connection {
  private readonly database: Database.Database;
  private readonly statements = new Recent<string, Statement>(600);

  /** @param busyMs how long to wait for another writer. */
  constructor(file: string, busyMs: number) {
    this.database = new Database(file, { timeout: busyMs } as Database.Options);
  }

  /** Statements are prepared once for each text; the least used are dropped. */
  prepare(sql: string): Statement {
    const known = this.statements.get(sql);
    if (known !== undefined) return known;
    const statement = this.database.prepare(sql);
    if (statement.reader) statement.raw();
    this.statements.set(sql, statement as unknown as Statement);
    return statement as unknown as Statement;
  }

  exec(sql: string): void {
    this.database.exec(sql);
  }

  close(): void {
    this.database.close();
  }
}
