/** Dates and numbers against their index terms, on random values near all kinds of boundaries. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Bounds } from '../../../src/fhir/search/bounds.js';
import { dateTexts, isDateRange, parseDateValue, planDate, planDateRange } from '../../../src/fhir/search/date.js';
import { intervalOf } from '../../../src/fhir/search/interval.js';
import { matchesDate } from '../../../src/fhir/search/matches-date.js';
import { matchesNumber } from '../../../src/fhir/search/matches-number.js';
import { numberTexts, parseNumberValue, planNumber } from '../../../src/fhir/search/number.js';
import { parseDecimal } from '../../../src/fhir/search/decimal.js';
import type { Plan } from '../../../src/fhir/search/plan.js';
import { randomFrom } from './random-query.js';

/** Terms that are their texts. */
const plainTerms = { term: (text: string) => new Uint8Array(Buffer.from(text)) };
const now = Date.UTC(2024, 5, 1);

function meets(plan: Plan, texts: ReadonlySet<string>): boolean {
  if (plan.kind === 'term') return texts.has(Buffer.from(plan.term).toString());
  if (plan.kind === 'and') return plan.of.every((part) => meets(part, texts));
  return plan.kind === 'or' ? plan.of.some((part) => meets(part, texts)) : plan.kind === 'all';
}

/** Fails when the index is sure of a value that does not match, or misses one that does. @returns true when the index decides. */
function check(bounds: Bounds, texts: ReadonlySet<string>, expected: boolean, what: string): boolean {
  const [may, must] = [meets(bounds.may, texts), meets(bounds.must, texts)];
  assert.ok(!must || expected, `${what}: the index is sure of what does not match`);
  assert.ok(may || !expected, `${what}: the index misses a match`);
  return may === must;
}

const pick = <Item>(random: () => number, items: readonly Item[]) => items[Math.floor(random() * items.length)];

/** Instants that lie close to each other and to the edges of days, months, years and eras. */
function instant(random: () => number): number {
  const base = pick(random, [Date.UTC(2015, 0, 1), Date.UTC(2015, 2, 14, 10, 5, 23), Date.UTC(2020, 0, 1), Date.UTC(1799, 11, 31, 23), Date.UTC(2200, 0, 1), Date.UTC(2016, 1, 29, 12)]); // prettier-ignore
  const step = pick(random, [0, 1, 500, 1000, 60_000, 3_600_000, 86_400_000, 31 * 86_400_000, 366 * 86_400_000]);
  return base + pick(random, [-2, -1, 0, 0, 1, 2]) * step;
}

const written = (random: () => number, lengths: readonly number[]) => {
  const length = pick(random, lengths);
  return new Date(instant(random)).toISOString().slice(0, length) + (length > 10 ? 'Z' : '');
};

function dateValue(random: () => number): unknown {
  const point = () => written(random, [4, 7, 10, 16, 19, 23]);
  if (random() < 0.5) return point();
  return pick(random, [{ start: point(), end: point() }, { start: point() }, { end: point() }]);
}

const comparators = ['', 'ne', 'gt', 'lt', 'ge', 'le', 'sa', 'eb', 'ap'];

test('the terms of dates decide every comparison of at least a whole second, and leave only finer ones open', () => {
  const random = randomFrom(7);
  let open = 0;
  for (let round = 0; round < 4000; round += 1) {
    const value = dateValue(random);
    const interval = intervalOf(value);
    if (!interval) continue;
    const texts = new Set<string>();
    dateTexts('k', interval, (text) => texts.add(text));
    const search = parseDateValue(pick(random, comparators) + written(random, [4, 7, 10, 16, 19, 23]), 'date');
    const expected = matchesDate(value, search, now);
    const element = { key: 'k', isSingle: true, isPoint: typeof value === 'string' };
    const isDecided = check(
      planDate(plainTerms, element, search, now),
      texts,
      expected,
      `${search.text} on ${JSON.stringify(value)}`,
    );
    // Fractions of seconds, margins, and years outside 1800 to 2199 are left to the opened resource.
    const isFine =
      /\.\d/.test(search.text) ||
      search.comparator === 'ap' ||
      /(17|2[2-9])\d\d-|^[a-z]*(17|22)\d\d$/.test(search.text);
    if (!isDecided) open += 1;
    assert.ok(isDecided || isFine, `${search.text} on ${JSON.stringify(value)} is left open`);
  }
  assert.ok(open < 1000, `${open} comparisons were left open`);
});

test('two bounds planned as one range find what both find', () => {
  const random = randomFrom(8);
  let ranges = 0;
  let found = 0;
  for (let round = 0; round < 6000; round += 1) {
    const value = dateValue(random);
    const interval = intervalOf(value);
    const lower = parseDateValue(pick(random, ['ge', 'gt']) + written(random, [4, 7, 10, 16, 19, 23]), 'date');
    const upper = parseDateValue(pick(random, ['le', 'lt']) + written(random, [4, 7, 10, 16, 19, 23]), 'date');
    if (!interval || !isDateRange(lower, upper)) continue;
    ranges += 1;
    const texts = new Set<string>();
    dateTexts('k', interval, (text) => texts.add(text));
    const expected = matchesDate(value, lower, now) && matchesDate(value, upper, now);
    if (expected) found += 1;
    const element = { key: 'k', isSingle: true, isPoint: typeof value === 'string' };
    const what = `${lower.text} ${upper.text} on ${JSON.stringify(value)}`;
    check(planDateRange(plainTerms, element, lower, upper), texts, expected, what);
  }
  assert.ok(ranges > 1000 && found > 100, `${ranges} ranges, ${found} matches`);
});

test('the terms of numbers decide every comparison of up to five significant digits', () => {
  const random = randomFrom(9);
  for (let round = 0; round < 4000; round += 1) {
    const number = () => {
      const size = 10 ** Math.floor(random() * 12 - 5);
      const value = Number(((random() - 0.3) * size).toPrecision(pick(random, [1, 2, 3, 6, 9])));
      return pick(random, [value, 0, 100, 5.4, -5.4, 140, 99.5, 1e-20, 3e25, value, value]);
    };
    const value = number();
    const near = pick(random, [value, value * 1.01, value * 10, -value, number()]);
    const digits = pick(random, [1, 2, 3, 5, 6, 10]);
    const text = pick(random, comparators) + Number(near.toPrecision(digits)).toString().replace('e+', 'e');
    const search = parseNumberValue(text, 'number');
    const decimal = parseDecimal(String(value));
    assert.ok(decimal);
    const texts = new Set<string>();
    numberTexts('k', 'n', { low: decimal, high: decimal }, (one) => texts.add(one));
    const expected = matchesNumber({ value, type: 'decimal' }, search);
    const isDecided = check(planNumber(plainTerms, 'k', search), texts, expected, `${text} on ${value}`);
    const { digits: all, exponent } = search.value;
    const size = all.toString().replace(/^-|0+$/g, '').length;
    const power = exponent + all.toString().replace('-', '').length;
    const isFine = size > 5 || search.comparator === 'ap' || power < -16 || power > 17;
    assert.ok(isDecided || isFine, `${text} on ${value} is left open`);
  }
});
