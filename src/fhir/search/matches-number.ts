/** Numbers and quantities, compared exactly. Spec: https://hl7.org/fhir/R4/search.html#number */
import type { Comparator } from './comparator.js';
import {
  absoluteDecimal,
  addDecimals,
  compareDecimals,
  implicitRange,
  multiplyDecimals,
  negateDecimal,
} from './decimal.js';
import type { Decimal } from './decimal.js';
import type { FoundValue } from './found-values.js';
import { numberRangeOf, type NumberRange, type NumberValue } from './number.js';
import { measuredRangeOf, type QuantityValue } from './quantity.js';
import { canonicalUnit, toCanonical, ucumSystem } from './ucum.js';

export function matchesNumber({ value: found }: FoundValue, value: NumberValue): boolean {
  const range = numberRangeOf(found);
  return range !== undefined && compareRange(range, value.comparator, value.value, (bound) => bound);
}

export function matchesQuantity({ value: found }: FoundValue, value: QuantityValue): boolean {
  const measured = measuredRangeOf(found);
  if (!measured) return false;
  const { range, system, code, unit } = measured;
  const same = (bound: Decimal) => bound;
  if (value.code === undefined) return compareRange(range, value.comparator, value.value, same);
  if (value.system === '')
    return (value.code === code || value.code === unit) && compareRange(range, value.comparator, value.value, same);
  if (value.system !== system || code === undefined) return false;
  if (system !== ucumSystem) return value.code === code && compareRange(range, value.comparator, value.value, same);
  const [wanted, own] = [canonicalUnit(value.code), canonicalUnit(code)];
  if (wanted.unit !== own.unit) return false;
  const converted = {
    ...(range.low ? { low: toCanonical(own, range.low) } : {}),
    ...(range.high ? { high: toCanonical(own, range.high) } : {}),
  };
  return compareRange(converted, value.comparator, value.value, (bound) => toCanonical(wanted, bound));
}

/** `target` with bounds included; `convert` brings bounds of the search value into the target's unit. */
function compareRange(
  target: NumberRange,
  comparator: Comparator,
  search: Decimal,
  convert: (bound: Decimal) => Decimal,
): boolean {
  const below = (one: Decimal | undefined, other: Decimal) => one === undefined || compareDecimals(one, other) < 0;
  const above = (one: Decimal | undefined, other: Decimal) => one === undefined || compareDecimals(one, other) > 0;
  const exact = convert(search);
  const within = (low: Decimal, high: Decimal, highIncluded: boolean) => {
    if (!target.low || !target.high) return false;
    const end = compareDecimals(target.high, high);
    return compareDecimals(target.low, low) >= 0 && (highIncluded ? end <= 0 : end < 0);
  };
  switch (comparator) {
    case 'eq':
    case 'ne': {
      const [low, high] = implicitRange(search).map(convert);
      return within(low, high, false) === (comparator === 'eq');
    }
    case 'gt':
      return above(target.high, exact);
    case 'lt':
      return below(target.low, exact);
    case 'ge':
      return above(target.high, exact) || within(exact, exact, true);
    case 'le':
      return below(target.low, exact) || within(exact, exact, true);
    case 'sa':
      return target.low !== undefined && compareDecimals(target.low, exact) > 0;
    case 'eb':
      return target.high !== undefined && compareDecimals(target.high, exact) < 0;
    case 'po':
    case 'ap': {
      const margin = absoluteDecimal(multiplyDecimals(search, { digits: 1n, exponent: -1 }));
      const low = convert(addDecimals(search, negateDecimal(margin)));
      const high = convert(addDecimals(search, margin));
      return !above(target.low ?? low, high) && !below(target.high ?? high, low);
    }
  }
}
