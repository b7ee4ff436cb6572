/**
 * UCUM: units by their grammar, over the unit atoms of the UCUM table that ships with @lhncbc/ucum-lhc.
 *
 * The grammar is UCUM's own and strict: case-sensitive, prefixes only before metric atoms, no synonyms (that library's parser is more
 * forgiving). The table is read by the first unit that is asked for, and each verdict is kept. Spec: https://ucum.org/ucum
 */
import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { plainConcept, type KnownSystem } from './known-system.js';
import type { Membership } from './verdict.js';

const ucumUrl = 'http://unitsofmeasure.org';

/** A unit as a product: exponents of the seven base units. */
type Dimension = readonly number[];

interface Atom {
  readonly isMetric: boolean;
  readonly name: string;
  readonly dimension: Dimension;
}

interface Table {
  readonly atoms: ReadonlyMap<string, Atom>;
  readonly prefixes: readonly string[];
}

const unity: Dimension = [0, 0, 0, 0, 0, 0, 0];

let table: Table | undefined;

function loadTable(): Table {
  const file = createRequire(import.meta.url).resolve('@lhncbc/ucum-lhc/data/ucumDefs.min.json');
  const { prefixes, units } = JSON.parse(readFileSync(file, 'utf8')) as {
    prefixes: { data: [string][] };
    units: { config: (string | string[])[]; data: unknown[][] };
  };
  const column = (name: string) => units.config.findIndex((key) => (Array.isArray(key) ? key[0] : key) === name);
  const [code, name, isMetric, isBase, dimension, source] = [
    column('csCode_'),
    column('name_'),
    column('isMetric_'),
    column('isBase_'),
    column('dim_'),
    column('source_'),
  ];
  const atoms = new Map<string, Atom>();
  for (const row of units.data) {
    if (row[source] !== 'UCUM') continue; // the others are ready-made combinations
    atoms.set(row[code] as string, {
      isMetric: row[isMetric] === true || row[isBase] === true,
      name: row[name] as string,
      dimension: (row[dimension] as Dimension | null) ?? unity,
    });
  }
  return { atoms, prefixes: prefixes.data.map(([prefix]) => prefix) };
}

/** Reads `code` as a UCUM term. @throws SyntaxError saying what is wrong. */
class Reader {
  private at = 0;

  constructor(
    private readonly code: string,
    private readonly table: Table,
  ) {}

  read(): Dimension {
    const dimension = this.term(0);
    if (this.at < this.code.length) throw this.error();
    return dimension;
  }

  private term(depth: number): Dimension {
    if (depth > 20) throw new SyntaxError('it is nested too deep');
    let sign = 1;
    if (this.code[this.at] === '/') {
      sign = -1;
      this.at += 1;
    }
    const total = [...unity];
    for (;;) {
      const part = this.component(depth);
      for (let base = 0; base < total.length; base += 1) total[base] += sign * (part[base] ?? 0);
      const operator = this.code[this.at];
      if (operator !== '.' && operator !== '/') return total;
      sign = operator === '/' ? -1 : 1;
      this.at += 1;
    }
  }

  private component(depth: number): Dimension {
    const first = this.code[this.at];
    if (first === '(') {
      this.at += 1;
      const inner = this.term(depth + 1);
      if (this.code[this.at] !== ')') throw this.error();
      this.at += 1;
      this.annotation();
      return inner;
    }
    if (first === '{') {
      this.annotation();
      return unity;
    }
    const dimension = /^10[*^]/.test(this.code.slice(this.at)) ? this.symbol() : this.factor() ? unity : this.symbol();
    this.annotation();
    return dimension;
  }

  private factor(): boolean {
    const digits = /^[0-9]+/.exec(this.code.slice(this.at));
    this.at += digits?.[0].length ?? 0;
    return digits !== null;
  }

  /** A prefixed atom with its exponent. */
  private symbol(): Dimension {
    const text = /^(10[*^]|(\[[^\]]*\]|[^\d+\-./(){}[\]])+)/.exec(this.code.slice(this.at))?.[0];
    const dimension = text === undefined ? undefined : this.atom(text);
    if (text === undefined || !dimension) throw this.error(text);
    this.at += text.length;
    const exponent = /^[+-]?[0-9]+/.exec(this.code.slice(this.at))?.[0];
    if (exponent === undefined) return dimension;
    this.at += exponent.length;
    return dimension.map((power) => power * Number(exponent));
  }

  private atom(text: string): Dimension | undefined {
    const { atoms, prefixes } = this.table;
    const whole = atoms.get(text);
    if (whole) return whole.dimension;
    for (const prefix of prefixes) {
      const atom = text.startsWith(prefix) ? atoms.get(text.slice(prefix.length)) : undefined;
      if (atom?.isMetric) return atom.dimension;
    }
    return undefined;
  }

  private annotation(): void {
    const text = /^\{[ -z|~]*\}/.exec(this.code.slice(this.at))?.[0];
    this.at += text?.length ?? 0;
  }

  private error(symbol = this.code.slice(this.at, this.at + 20)): SyntaxError {
    return new SyntaxError(
      symbol === '' ? 'it ends where a unit should stand' : `'${symbol}' at position ${this.at} is no unit`,
    );
  }
}

interface Unit {
  readonly dimension?: string;
  readonly reason?: string;
}

const units = new Map<string, Unit>();
const unitLimit = 20_000;
const lengthLimit = 256;

/** What the code stands for; kept, so the second look costs one Map look-up. Never throws. */
function unitOf(code: string): Unit {
  let unit = units.get(code);
  if (!unit) {
    unit = analyse(code);
    if (units.size >= unitLimit) units.clear();
    units.set(code, unit);
  }
  return unit;
}

function analyse(code: string): Unit {
  if (code.length > lengthLimit) return { reason: 'it is too long' };
  table ??= loadTable();
  try {
    return { dimension: new Reader(code, table).read().join() };
  } catch (error) {
    if (error instanceof SyntaxError) return { reason: error.message };
    throw error;
  }
}

export const ucum: KnownSystem = {
  url: ucumUrl,
  name: 'UCUM',
  status: 'complete',
  isCaseSensitive: true,
  contains: (code): Membership => (unitOf(code).reason === undefined ? 'in' : 'out'),
  find(code) {
    if (unitOf(code).reason !== undefined) return undefined;
    return plainConcept(code, table?.atoms.get(code)?.name ?? code);
  },
  concepts: () => undefined,
  explain: (code) => unitOf(code).reason,
  filter(code, property, op, value) {
    // R4's all-distance-units and all-time-units: units of the same dimension as `value`.
    if (property !== 'canonical' || op !== '=') return undefined;
    const dimension = unitOf(code).dimension;
    return dimension !== undefined && dimension === unitOf(value).dimension ? 'in' : 'out';
  },
};
