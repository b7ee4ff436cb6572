/**
 * Searches: window by window along the driver's candidates.
 *
 * Each window is one statement of bounded size; between windows the event loop gets its turn. A search that looks at too many candidates
 * ends with SearchTooCostly.
 */
import { setImmediate as nextTurn } from 'node:timers/promises';
import type { Plan } from '../../fhir/search/plan.js';
import { SearchTooCostly, type Head, type SearchRequest, type VersionRow } from '../catalog.js';
import {
  addCondition,
  addCurrent,
  addDriver,
  estimateOf,
  isMany,
  split,
  Sql,
  type Driver,
  type Window,
} from './compile.js';
import type { Connection } from './connection.js';
import { Estimates } from './estimates.js';
import { numberList } from './number-list.js';
import { Numbers } from './numbers.js';
import { resolve, type Condition, type Found } from './resolve.js';
import type { RowReader } from './rows.js';
import { termKey } from './schema.js';

const firstWindow = 1_000;
const largestWindow = 8_000;

interface Prepared {
  readonly driver: Driver;
  readonly filters: readonly Condition[];
  /** Bounds on leafIndex that hold for every match. */
  readonly from: number;
  readonly until: number;
}

/** What a window gave: `found` matches, of which `leaves` has the leafIndexes when they were asked for. */
interface Matches {
  readonly found: number;
  readonly leaves: readonly number[];
}

interface Answer extends Matches {
  /** Where the next window begins; undefined when there is none. */
  readonly next: { readonly from: number; readonly until: number } | undefined;
  readonly scanned: number;
}

/** A plan as it was asked last, and its answers as long as nothing is written. */
interface Asked {
  readonly asOf: number;
  readonly leafCount: number;
  readonly prepared: Prepared | undefined;
  /** leafIndexes by order, place and limit. */
  readonly answers: Map<string, readonly number[]>;
}

/** Longer answers are not remembered, nor more than a few of one plan. */
const longestAnswer = 100;
const mostAnswers = 4;

export class Searcher {
  private readonly estimates: Estimates;
  private readonly numbers: Numbers;
  private asked = new WeakMap<Plan, Asked>();

  /** @param scanLimit candidates that one search may look at. */
  constructor(
    private readonly db: Connection,
    private readonly rows: RowReader,
    private readonly head: () => Head,
    private readonly scanLimit: number,
  ) {
    this.estimates = new Estimates(db);
    this.numbers = new Numbers(db);
  }

  /** To be called when the index of earlier versions changed. */
  forget(): void {
    this.asked = new WeakMap();
    this.estimates.forget();
    this.numbers.forget();
  }

  /** @throws SearchTooCostly */
  search({ plan, asOf, order, after, limit }: SearchRequest): VersionRow[] | Promise<VersionRow[]> {
    if (limit <= 0) return [];
    const { prepared, answers } = this.ask(plan, asOf);
    if (prepared === undefined) return [];
    const place = `${order} ${after ?? ''} ${limit}`;
    const known = answers.get(place);
    if (known !== undefined) return this.rows.of(known);
    const from = order === 'oldest' && after !== undefined ? Math.max(prepared.from, after + 1) : prepared.from;
    const until = order === 'newest' && after !== undefined ? Math.min(prepared.until, after) : prepared.until;
    const run = (window: Window, wanted: number) => this.leavesIn(prepared, window, wanted);
    return this.walk(prepared.driver, { from, until, limit: firstWindow, order, asOf }, limit, run, ({ leaves }) => {
      if (leaves.length <= longestAnswer && answers.size < mostAnswers) answers.set(place, leaves);
      return this.rows.of(leaves);
    });
  }

  /** @param limit counting ends there. @throws SearchTooCostly */
  count(plan: Plan, asOf: number, limit: number): number | Promise<number> {
    const { prepared } = this.ask(plan, asOf);
    if (prepared === undefined) return 0;
    const { driver, from, until } = prepared;
    const run = (window: Window) => this.countIn(prepared, window);
    const window: Window = { from, until, limit: firstWindow, order: 'newest', asOf };
    return this.walk(driver, window, limit, run, ({ found }) => Math.min(found, limit));
  }

  /** A plan that is asked again before anything was written is as it was. */
  private ask(plan: Plan, asOf: number): Asked {
    const { leafCount } = this.head();
    const known = this.asked.get(plan);
    if (known !== undefined && known.asOf === asOf && known.leafCount === leafCount) return known;
    const asked = { asOf, leafCount, prepared: this.prepareNew(plan, asOf, leafCount), answers: new Map() };
    this.asked.set(plan, asked);
    return asked;
  }

  private prepareNew(plan: Plan, asOf: number, leafCount: number): Prepared | undefined {
    const find = (condition: Condition, limit: number) => this.find(condition, limit, asOf, leafCount);
    const { db, estimates, numbers } = this;
    const condition = resolve({ db, estimates, numbers, leafCount, find }, plan);
    return condition.kind === 'none' ? undefined : withBounds(condition, leafCount);
  }

  /** The current versions that meet a condition, when they are few and cheap to list. */
  private find(condition: Condition, limit: number, asOf: number, leafCount: number): Found | undefined {
    if (condition.kind === 'none') return { rids: [], leaves: [] };
    const prepared = withBounds(condition, leafCount);
    const estimate = estimateOf(prepared.driver);
    if (!estimate.isBound || estimate.rows > 4 * limit) return undefined;
    const sql = new Sql().add(
      'SELECT group_concat(rid), group_concat(leafIndex) FROM (SELECT v.rid, v.leafIndex FROM (',
    );
    addDriver(sql, prepared.driver, { ...prepared, limit: 4 * limit + 1, order: 'newest', asOf });
    sql.add(') d CROSS JOIN version v ON v.leafIndex = d.leafIndex WHERE ');
    addFilters(sql, prepared.filters, asOf);
    sql.add(' LIMIT ?)', limit + 1);
    const [rids, leaves] = this.db.prepare(sql.text).get(sql.parameters)!.map(numberList) as [number[], number[]];
    return rids.length > limit ? undefined : { rids, leaves };
  }

  /** Matches in one window, as far as `wanted`. */
  private leavesIn(prepared: Prepared, window: Window, wanted: number): Matches {
    const sql = new Sql().add('SELECT group_concat(leafIndex) FROM (SELECT v.leafIndex FROM (');
    addMatches(sql, prepared, window);
    sql.add(' LIMIT ?)', wanted);
    const leaves = numberList(this.db.prepare(sql.text).get(sql.parameters)![0]);
    return { found: leaves.length, leaves };
  }

  private countIn(prepared: Prepared, window: Window): Matches {
    const sql = new Sql().add('SELECT count(*) FROM (');
    addMatches(sql, prepared, window);
    return { found: this.db.prepare(sql.text).get(sql.parameters)![0] as number, leaves: [] };
  }

  /** Goes on, window by window, until `wanted` matches are there or the candidates are used up. The first window is looked at synchronously. */
  private walk<T>(
    driver: Driver,
    window: Window,
    wanted: number,
    run: (window: Window, wanted: number) => Matches,
    finish: (matches: Matches) => T,
  ): T | Promise<T> {
    const first = this.step(driver, window, wanted, run);
    if (first.next === undefined) return finish(first);
    return this.walkOn(driver, window, wanted, run, first).then(finish);
  }

  private async walkOn(
    driver: Driver,
    window: Window,
    wanted: number,
    run: (window: Window, wanted: number) => Matches,
    first: Answer,
  ): Promise<Matches> {
    const leaves = [...first.leaves];
    let { next, scanned, found } = first;
    let limit = window.limit;
    while (next !== undefined) {
      if (scanned > this.scanLimit) throw new SearchTooCostly(scanned);
      await nextTurn();
      limit = Math.min(limit * 2, largestWindow);
      const answer = this.step(driver, { ...window, ...next, limit }, wanted - found, run);
      leaves.push(...answer.leaves);
      found += answer.found;
      scanned += answer.scanned;
      next = answer.next;
    }
    return { found, leaves };
  }

  private step(
    driver: Driver,
    window: Window,
    wanted: number,
    run: (window: Window, wanted: number) => Matches,
  ): Answer {
    const estimate = estimateOf(driver);
    if (estimate.isBound && estimate.rows <= window.limit) {
      return { ...run(window, wanted), next: undefined, scanned: estimate.rows };
    }
    const piece = isMany(driver) ? this.slice(window, estimate.rows) : window;
    const unlimited = isMany(driver) ? { ...piece, limit: Number.MAX_SAFE_INTEGER } : piece;
    const matches = run(unlimited, wanted);
    if (matches.found >= wanted) return { ...matches, next: undefined, scanned: window.limit };
    const end = isMany(driver) ? edge(window, piece) : this.lastOf(driver, window);
    return { ...matches, next: rest(window, end), scanned: window.limit };
  }

  /** A part of the window that is expected to hold about `limit` candidates. */
  private slice(window: Window, estimated: number): Window {
    const { leafCount } = this.head();
    const span = Math.ceil((window.limit * leafCount) / Math.max(1, Math.min(estimated, leafCount)));
    return window.order === 'newest'
      ? { ...window, from: Math.max(window.from, window.until - span) }
      : { ...window, until: Math.min(window.until, window.from + span) };
  }

  /** The last candidate that a full window listed; undefined when it was not full. */
  private lastOf(driver: Driver, window: Window): number | undefined {
    const sql = new Sql().add('SELECT leafIndex FROM (');
    addDriver(sql, driver, window);
    sql.add(') LIMIT 1 OFFSET ?', window.limit - 1);
    return this.db.prepare(sql.text).get(sql.parameters)?.[0] as number | undefined;
  }
}

function rest(window: Window, last: number | undefined): { from: number; until: number } | undefined {
  if (last === undefined) return undefined;
  const next = window.order === 'newest' ? { from: window.from, until: last } : { from: last + 1, until: window.until };
  return next.from < next.until ? next : undefined;
}

/** The last leafIndex of `piece`, seen in the order of the search. */
function edge(window: Window, piece: Window): number {
  return window.order === 'newest' ? piece.from : piece.until - 1;
}

/** Takes ranges of leafIndex out of the condition: they narrow the driver itself. */
function withBounds(condition: Condition, leafCount: number): Prepared {
  let from = 0;
  let until = leafCount;
  const operands = condition.kind === 'and' ? condition.of : [condition];
  const others = operands.filter((operand) => {
    if (operand.kind !== 'range') return true;
    from = Math.max(from, operand.from);
    until = Math.min(until, operand.until);
    return false;
  });
  return { ...split({ kind: 'and', of: others }), from, until };
}

/** Terms that every match carries are joined, which is faster than asking with EXISTS. @returns the other filters. */
function addTermJoins(sql: Sql, filters: readonly Condition[]): Condition[] {
  let joined = 0;
  return filters.filter((filter) => {
    if (filter.kind !== 'terms' || filter.terms.length > 1 || joined >= 8) return true;
    joined += 1;
    sql.add(
      `CROSS JOIN term t${joined} ON t${joined}.term = ? AND t${joined}.leafIndex = d.leafIndex `,
      termKey(filter.terms[0]!),
    );
    return false;
  });
}

/** Adds, after `SELECT … FROM (`, the candidates of a window and what they have to meet: `v` is the version. */
function addMatches(sql: Sql, { driver, filters }: Prepared, window: Window): void {
  addDriver(sql, driver, window);
  sql.add(') d ');
  const others = addTermJoins(sql, filters);
  sql.add('CROSS JOIN version v ON v.leafIndex = d.leafIndex WHERE ');
  addFilters(sql, others, window.asOf);
}

function addFilters(sql: Sql, filters: readonly Condition[], asOf: number): void {
  addCurrent(sql, 'v', asOf);
  for (const filter of filters) {
    sql.add(' AND ');
    addCondition(sql, filter, asOf, { leaf: 'v.leafIndex', rid: 'v.rid', depth: 0 });
  }
}
