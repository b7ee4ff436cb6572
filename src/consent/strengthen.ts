/**
 * Keeps a permit that may fail to apply for want of knowledge from hiding the denials inside it.
 *
 * A permit with a `dataPeriod` does not apply to a record without a date, and one with an undecidable value never does. Its nested denials
 * would then be skipped, and the parent's permit would stand. They are therefore repeated beside it, with the doubtful criterion read the
 * other way: among siblings deny wins, so this can only take away.
 */
import type { Criterion, Rule } from './policy.js';

/** The same tree, with the denials of doubtful permits repeated. */
export function strengthened(rule: Rule): Rule {
  const rules = rule.rules.map(strengthened);
  return { ...rule, rules: [...rules, ...rules.flatMap(repeatedDenials)] };
}

function repeatedDenials(rule: Rule): Rule[] {
  if (rule.type !== 'permit' || !rule.criteria.some(isDoubtful)) return [];
  const outer = rule.criteria.map(generous);
  return denialsIn(rule).map((denial) => ({ ...denial, criteria: [...outer, ...denial.criteria] }));
}

/** Denials that a permit holds, directly or inside its permits. */
function denialsIn(permit: Rule): Rule[] {
  return permit.rules.flatMap((child) => {
    if (child.type === 'deny') return [child];
    return denialsIn(child).map((denial) => ({
      ...denial,
      criteria: [...child.criteria.map(generous), ...denial.criteria],
    }));
  });
}

function isDoubtful({ alternatives }: Criterion): boolean {
  return alternatives.length === 0 || alternatives.some(({ kind }) => kind === 'data-within');
}

function generous({ element, alternatives }: Criterion): Criterion {
  if (alternatives.length === 0) return { element, alternatives: [{ kind: 'always' }] };
  return {
    element,
    alternatives: alternatives.map((one) =>
      one.kind === 'data-within' ? { kind: 'data-overlaps', start: one.start, end: one.end } : one,
    ),
  };
}
