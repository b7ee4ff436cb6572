/**
 * From conditions to SQL: a driver that lists candidates in order of leafIndex, and a filter that each candidate passes.
 *
 * The driver is the operand that is expected to list fewest rows; everything else is asked of a candidate by its leafIndex.
 */
import type { Parameter } from './connection.js';
import type { Estimate } from './estimates.js';
import type { Condition } from './resolve.js';
import { termKey } from './schema.js';

/** A list of candidates, in order of leafIndex, that contains every match of the condition it was taken from. */
export type Driver = { readonly kind: 'every' } | Extract<Condition, { kind: 'terms' | 'links' | 'rids' }>;

/** Rows that a driver may list, as far as known. */
export function estimateOf(driver: Driver): Estimate {
  if (driver.kind === 'every') return { rows: Infinity, isBound: false };
  return driver.kind === 'rids' ? { rows: driver.rids.length, isBound: true } : driver.estimate;
}

/** The cheapest driver for `condition`, and what is left to ask of each candidate. */
export function split(condition: Condition): { readonly driver: Driver; readonly filters: readonly Condition[] } {
  const operands = condition.kind === 'and' ? condition.of : [condition];
  let best: { driver: Driver; isExact: boolean; operand: number } = {
    driver: { kind: 'every' },
    isExact: false,
    operand: -1,
  };
  operands.forEach((operand, index) => {
    const found = cover(operand);
    if (found === undefined || estimateOf(found.driver).rows >= estimateOf(best.driver).rows) return;
    best = { ...found, operand: index };
  });
  return { driver: best.driver, filters: operands.filter((_, index) => index !== best.operand || !best.isExact) };
}

/** Posting lists that contain every match of `condition`; undefined when only a full scan does. */
function cover(condition: Condition): { driver: Driver; isExact: boolean } | undefined {
  switch (condition.kind) {
    case 'terms':
    case 'links':
    case 'rids':
      return { driver: condition, isExact: true };
    case 'and': {
      const { driver } = split(condition);
      return driver.kind === 'every' ? undefined : { driver, isExact: false };
    }
    case 'or':
      return coverAll(condition.of);
    case 'all':
    case 'none':
    case 'range':
    case 'not':
    case 'link-to':
    case 'linked-from':
      return undefined;
  }
}

/** The terms of all operands together, when each is covered by terms. */
function coverAll(operands: readonly Condition[]): { driver: Driver; isExact: boolean } | undefined {
  const covers = operands.map(cover);
  const drivers = covers.map((found) => found?.driver);
  const terms = drivers.flatMap((driver) => (driver?.kind === 'terms' ? [driver] : []));
  if (terms.length !== operands.length) return undefined;
  const estimate = {
    rows: terms.reduce((sum, driver) => sum + driver.estimate.rows, 0),
    isBound: terms.every((driver) => driver.estimate.isBound),
  };
  const driver: Driver = { kind: 'terms', terms: terms.flatMap((one) => one.terms), estimate };
  return { driver, isExact: covers.every((found) => found!.isExact) };
}

/** SQL that grows from left to right, with its parameters in the same order. */
export class Sql {
  text = '';
  readonly parameters: Parameter[] = [];

  add(text: string, ...parameters: readonly Parameter[]): this {
    this.text += text;
    this.parameters.push(...parameters);
    return this;
  }

  /** `column IN (…)` or `column = ?`. Lists are filled up to a power of two, so that few texts occur. */
  oneOf(column: string, values: readonly Parameter[]): this {
    if (values.length === 1) return this.add(`${column} = ?`, values[0]!);
    const size = 2 ** Math.ceil(Math.log2(values.length));
    const filled = Array.from({ length: size }, (_, index) => values[Math.min(index, values.length - 1)]!);
    return this.add(`${column} IN (?${',?'.repeat(size - 1)})`, ...filled);
  }

  /** The same for row ids, of which there may be many: as one parameter. */
  oneOfRows(column: string, rows: readonly number[]): this {
    if (rows.length === 1) return this.add(`${column} = ?`, rows[0]!);
    return this.add(`${column} IN (SELECT value FROM json_each(?))`, JSON.stringify(rows));
  }
}

/** The part of the log that a window looks at: `from` <= leafIndex < `until`, at most `limit` candidates. */
export interface Window {
  readonly from: number;
  readonly until: number;
  readonly limit: number;
  readonly order: 'newest' | 'oldest';
  /** The state after this entry is searched. */
  readonly asOf: number;
}

/** Adds a SELECT of the driver's leafIndexes within the window, each once, in order. */
export function addDriver(sql: Sql, driver: Driver, { from, until, limit, order, asOf }: Window): void {
  const many = isMany(driver);
  sql.add(many ? 'SELECT DISTINCT leafIndex FROM ' : 'SELECT leafIndex FROM ');
  switch (driver.kind) {
    case 'every':
      sql.add('version WHERE leafIndex >= ? AND leafIndex < ?', from, until);
      break;
    case 'rids':
      // Only current versions: a resource may have thousands, and `limit` is about resources.
      sql.add('version WHERE ').oneOfRows('rid', driver.rids).add(' AND leafIndex >= ? AND leafIndex < ?', from, until);
      sql.add(' AND seqFrom <= ? AND seqUntil > ?', asOf, asOf);
      break;
    case 'terms':
      sql
        .add('term WHERE ')
        .oneOf('term', driver.terms.map(termKey))
        .add(' AND leafIndex >= ? AND leafIndex < ?', from, until);
      break;
    case 'links':
      sql.add('link WHERE ').oneOfRows('target', driver.rids).add(' AND ').oneOfRows('pid', driver.pids);
      sql.add(' AND leafIndex >= ? AND leafIndex < ?', from, until);
      break;
  }
  sql.add(` ORDER BY leafIndex ${order === 'newest' ? 'DESC' : 'ASC'} LIMIT ?`, limit);
}

/** Several posting lists have to be sorted together; a single one is in order already. */
export function isMany(driver: Driver): boolean {
  if (driver.kind === 'terms') return driver.terms.length > 1;
  if (driver.kind === 'links') return driver.rids.length * driver.pids.length > 1;
  return driver.kind === 'rids';
}

/** The version row that a condition is asked of, as SQL names it. */
interface Place {
  readonly leaf: string;
  readonly rid: string;
  readonly depth: number;
}

/** Adds the condition as a boolean expression about `place`. */
export function addCondition(sql: Sql, condition: Condition, asOf: number, place: Place): void {
  switch (condition.kind) {
    case 'all':
      sql.add('1');
      return;
    case 'none':
      sql.add('0');
      return;
    case 'terms':
      addCarries(sql, condition, place);
      return;
    case 'rids':
      sql.oneOfRows(place.rid, condition.rids);
      return;
    case 'range':
      sql.add(`(${place.leaf} >= ? AND ${place.leaf} < ?)`, condition.from, condition.until);
      return;
    case 'links':
      sql.add(`EXISTS (SELECT 1 FROM link_of WHERE leafIndex = ${place.leaf} AND `).oneOfRows('pid', condition.pids);
      sql.add(' AND ').oneOfRows('target', condition.rids).add(')');
      return;
    case 'not':
      sql.add('NOT ');
      addCondition(sql, condition.of, asOf, place);
      return;
    case 'and':
    case 'or':
      sql.add('(');
      condition.of.forEach((operand, index) => {
        if (index > 0) sql.add(condition.kind === 'and' ? ' AND ' : ' OR ');
        addCondition(sql, operand, asOf, place);
      });
      sql.add(')');
      return;
    case 'link-to':
    case 'linked-from':
      addLinked(sql, condition, asOf, place);
      return;
  }
}

/** Postings of several terms that are listed once sooner than each candidate is looked up under each term. */
const fewPostings = 512;

/** Adds that `place` carries one of the terms. */
function addCarries(sql: Sql, { terms, estimate }: Extract<Condition, { kind: 'terms' }>, { leaf }: Place): void {
  const keys = terms.map(termKey);
  if (terms.length > 1 && estimate.isBound && estimate.rows <= fewPostings) {
    // The plus keeps SQLite from taking the list as its way to the version.
    sql.add(`+${leaf} IN (SELECT leafIndex FROM term WHERE `).oneOf('term', keys).add(')');
  } else {
    sql.add('EXISTS (SELECT 1 FROM term WHERE ').oneOf('term', keys).add(` AND leafIndex = ${leaf})`);
  }
}

function addLinked(
  sql: Sql,
  condition: Extract<Condition, { kind: 'link-to' | 'linked-from' }>,
  asOf: number,
  place: Place,
): void {
  const depth = place.depth + 1;
  const there: Place = { leaf: `v${depth}.leafIndex`, rid: `v${depth}.rid`, depth };
  if (condition.kind === 'link-to') {
    // The version of the target that is current: the newest one that entry `asOf` knows.
    sql.add(`EXISTS (SELECT 1 FROM link_of l${depth} CROSS JOIN version v${depth} ON v${depth}.rid = l${depth}.target`);
    sql.add(` WHERE l${depth}.leafIndex = ${place.leaf} AND `).oneOfRows(`l${depth}.pid`, condition.pids);
  } else {
    sql.add(
      `EXISTS (SELECT 1 FROM link l${depth} CROSS JOIN version v${depth} ON v${depth}.leafIndex = l${depth}.leafIndex`,
    );
    sql.add(` WHERE l${depth}.target = ${place.rid} AND `).oneOfRows(`l${depth}.pid`, condition.pids);
  }
  sql.add(' AND ');
  addCurrent(sql, `v${depth}`, asOf);
  sql.add(' AND ');
  addCondition(sql, condition.kind === 'link-to' ? condition.target : condition.source, asOf, there);
  sql.add(')');
}

/** `version` row `alias` is current after entry `asOf`, and no deletion. */
export function addCurrent(sql: Sql, alias: string, asOf: number): void {
  sql.add(`${alias}.seqFrom <= ? AND ${alias}.seqUntil > ? AND ${alias}.deleted = 0`, asOf, asOf);
}
