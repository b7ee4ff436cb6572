/** Trial checks: is a value right by some rule, without saying so to the caller? */
import type { Run } from './run.js';

/** Runs `body` and takes back whatever it reported. @returns true when it found no error. */
export function attempt(run: Run, body: () => void): boolean {
  const mark = run.issues.length;
  const { bindings, bindingsChecked } = run.coverage;
  body();
  const failed = run.failedSince(mark);
  run.issues.length = mark;
  run.coverage.bindings = bindings;
  run.coverage.bindingsChecked = bindingsChecked;
  return !failed;
}
