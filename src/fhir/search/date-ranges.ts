/** Two date conditions that bound one element from both sides, planned as one: `date=ge2015-01-01&date=lt2016-01-01`. */
import type { Bounds } from './bounds.js';
import type { Condition, ParameterCondition } from './condition.js';
import { isDateRange, planDateRange, type DateValue } from './date.js';
import { planOf, type Planning } from './plan-of.js';
import { dateElement } from './plan-value.js';

/** The bounds of each condition, in order; of two that make a range the first has the bounds of both and the second those of `everything`. */
export function planAll(
  planning: Planning,
  type: string,
  conditions: readonly Condition[],
  everything: Bounds,
): Bounds[] {
  const bounds: (Bounds | undefined)[] = conditions.map(() => undefined);
  for (const [index, condition] of conditions.entries()) {
    if (bounds[index]) continue;
    const partner = conditions.findIndex((other, at) => at !== index && !bounds[at] && isRange(condition, other));
    if (partner < 0) continue;
    const [lower, upper] = [condition, conditions[partner]].map(
      (one) => (one as ParameterCondition).values[0] as DateValue,
    );
    const [selection] = (condition as ParameterCondition).parameter.selections;
    bounds[index] = planDateRange(planning.context.blinder, dateElement(selection), lower, upper);
    bounds[partner] = everything;
  }
  return bounds.map((one, index) => one ?? planOf(planning, type, conditions[index]));
}

/** Lower bound and upper bound of one single element. */
function isRange(one: Condition, other: Condition): boolean {
  if (one.kind !== 'parameter' || other.kind !== 'parameter' || one.parameter !== other.parameter) return false;
  const { selections } = one.parameter;
  if (selections.length !== 1 || !selections[0].isSingle || one.values.length !== 1 || other.values.length !== 1) {
    return false;
  }
  const [lower, upper] = [one.values[0], other.values[0]];
  return lower.kind === 'date' && upper.kind === 'date' && isDateRange(lower, upper);
}
