/** How much of a resource a validation could check. Kept beside its issues, so that the validator's answer stays a plain list. */
import type { Issue } from '../../base/outcome.js';

export interface Coverage {
  /** Coded values met whose binding is required or extensible. */
  readonly bindings: number;
  /** Of these, how many could be decided. */
  readonly bindingsChecked: number;
}

const coverages = new WeakMap<readonly Issue[], Coverage>();

/** The validator's: notes what `issues` rest on. */
export function noteCoverage(issues: readonly Issue[], coverage: Coverage): void {
  coverages.set(issues, coverage);
}

/** Coverage of the validation that answered with this very list; undefined for a list that no validator made. */
export function coverageOf(issues: readonly Issue[]): Coverage | undefined {
  return coverages.get(issues);
}
