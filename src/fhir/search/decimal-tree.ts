/**
 * Decimal numbers as nodes of a tree: power of ten, then digit by digit.
 *
 * 98.6 lies in the nodes `1` (power), `1:9` and `1:98`, and is the node `1:986`. A number is in few nodes (as many as it has digits), and an
 * interval is a union of few. Beyond six digits, and beyond ten to the power of 18 or -18, nodes are not divided further: what falls into
 * such a node at the edge of an interval may or may not be inside.
 */
import { absoluteDecimal, compareDecimals, negateDecimal, type Decimal } from './decimal.js';

const deepest = 6;
const largestPower = 18;

/** Marks the nodes of negative numbers; a hyphen would read as the sign of the power. */
const minus = 'm';

/** Nodes: `n` holds numbers strictly inside, `=` is a number itself. */
export interface Cover {
  /** Every number in these is inside. */
  readonly sure: readonly string[];
  /** Numbers in these may be inside. */
  readonly maybe: readonly string[];
}

/** An interval; absent bounds are infinite. */
export interface DecimalRange {
  readonly low?: Decimal;
  readonly lowIncluded?: boolean;
  readonly high?: Decimal;
  readonly highIncluded?: boolean;
}

/** The nodes of `value`. */
export function nodesOfDecimal(value: Decimal): string[] {
  if (value.digits === 0n) return ['=0'];
  const sign = value.digits < 0n ? minus : '';
  const written = absoluteDecimal(value).digits.toString();
  const power = value.exponent + written.length - 1;
  if (Math.abs(power) > largestPower) return [`n${sign}${power > 0 ? 'huge' : 'tiny'}`];
  const digits = written.replace(/0+$/, '');
  const nodes = [`n${sign}${power}`];
  for (let length = 1; length < digits.length && length <= deepest; length += 1) {
    nodes.push(`n${sign}${power}:${digits.slice(0, length)}`);
  }
  if (digits.length <= deepest) nodes.push(`=${sign}${power}:${digits}`);
  return nodes;
}

/** The nodes whose union is `range`. */
export function coverOfDecimals(range: DecimalRange): Cover {
  const cover = { sure: [] as string[], maybe: [] as string[] };
  const zero = { digits: 0n, exponent: 0 };
  if (contains(range, zero)) cover.sure.push('=0');
  coverSide(range, '', cover);
  coverSide(mirror(range), minus, cover);
  return cover;
}

function mirror({ low, lowIncluded, high, highIncluded }: DecimalRange): DecimalRange {
  return {
    ...(high ? { low: negateDecimal(high), lowIncluded: highIncluded ?? false } : {}),
    ...(low ? { high: negateDecimal(low), highIncluded: lowIncluded ?? false } : {}),
  };
}

function contains({ low, lowIncluded, high, highIncluded }: DecimalRange, value: Decimal): boolean {
  const above = low === undefined ? 1 : compareDecimals(value, low);
  const below = high === undefined ? -1 : compareDecimals(value, high);
  return (above > 0 || (above === 0 && lowIncluded === true)) && (below < 0 || (below === 0 && highIncluded === true));
}

/** How the open interval (from, to) lies to `range`. */
function overlap({ low, high }: DecimalRange, from: Decimal, to: Decimal): 'inside' | 'outside' | 'partly' {
  if ((high && compareDecimals(high, from) <= 0) || (low && compareDecimals(low, to) >= 0)) return 'outside';
  return (!low || compareDecimals(low, from) <= 0) && (!high || compareDecimals(high, to) >= 0) ? 'inside' : 'partly';
}

/** Covers the positive part of `range`; node names get `sign`. */
function coverSide(range: DecimalRange, sign: string, cover: { sure: string[]; maybe: string[] }): void {
  if (range.high && range.high.digits <= 0n) return;
  const least = { digits: 1n, exponent: -largestPower };
  const most = { digits: 1n, exponent: largestPower + 1 };
  const beyond = [
    ['tiny', { digits: 0n, exponent: 0 }, least],
    ['huge', most, { digits: 1n, exponent: 1000 }],
  ] as const;
  for (const [name, from, to] of beyond) {
    const how = overlap(range, from, to);
    if (how !== 'outside') cover[how === 'inside' ? 'sure' : 'maybe'].push(`n${sign}${name}`);
  }
  for (let power = -largestPower; power <= largestPower; power += 1) {
    const from = { digits: 1n, exponent: power };
    const to = { digits: 1n, exponent: power + 1 };
    const how = overlap(range, from, to);
    // The lower end itself is in this node: an interval that ends there, included, is not outside.
    if (how === 'inside' && contains(range, from)) cover.sure.push(`n${sign}${power}`);
    else if (how !== 'outside' || contains(range, from)) {
      for (let digit = 1n; digit <= 9n; digit += 1n) coverNode(range, sign, power, digit, 1, cover);
    }
  }
}

function coverNode(
  range: DecimalRange,
  sign: string,
  power: number,
  digits: bigint,
  length: number,
  cover: { sure: string[]; maybe: string[] },
): void {
  const exponent = power - length + 1;
  const from = { digits, exponent };
  if (digits % 10n !== 0n && contains(range, from)) cover.sure.push(`=${sign}${power}:${digits}`);
  const how = overlap(range, from, { digits: digits + 1n, exponent });
  if (how === 'outside') return;
  if (how === 'inside') cover.sure.push(`n${sign}${power}:${digits}`);
  else if (length === deepest) cover.maybe.push(`n${sign}${power}:${digits}`);
  else
    for (let next = 0n; next <= 9n; next += 1n) coverNode(range, sign, power, digits * 10n + next, length + 1, cover);
}
