/** Codings and quantities: a code must exist in a code system that is completely at hand, whatever the binding. */
import type { TypeRule } from './type-rules.js';
import { shown, type Run } from './run.js';

interface Coded {
  readonly system?: unknown;
  readonly code?: unknown;
  readonly version?: unknown;
}

export const codingRule: TypeRule = (run, value, path, member) => {
  const { system, code } = value as Coded;
  if (typeof system === 'string') {
    const isInConcept = member.definedAt === 'CodeableConcept.coding';
    // Where a binding or a text says more, the HL7 validator lets a relative system pass.
    const isBound = member.binding !== undefined && member.binding.strength !== 'example';
    checkSystem(run, system, path, isInConcept || isBound);
    if (isInConcept && code === undefined && run.engine.definitions.codeSystem(system)?.content === 'complete') {
      run.error('code-invalid', 'code-missing', path, `Coding has the system ${system} and no code; expected one`);
    }
  }
  checkCode(run, value as Coded, path);
};

export const quantityRule: TypeRule = (run, value, path) => {
  const { system, code } = value as Coded;
  if (typeof system === 'string' && code !== undefined) checkSystem(run, system, path, false);
  checkCode(run, value as Coded, path);
};

/** Ages, counts, distances and durations have invariants about their units; an odd unit is a warning, as in the HL7 validator. */
export const measureRule: TypeRule = (run, value, path) => checkCode(run, value as Coded, path, true);

function checkSystem(run: Run, system: string, path: string, isLenient: boolean): void {
  if (/^(?:https?|urn):/.test(system)) return;
  const text = `the system of the code is ${shown(system)}; expected an absolute URI`;
  if (isLenient) run.warning('code-invalid', 'coding-system', path, text);
  else run.error('code-invalid', 'coding-system', path, text);
}

function checkCode(run: Run, { system, code, version }: Coded, path: string, isLenient = false): void {
  if (typeof system !== 'string' || typeof code !== 'string') return;
  const { terminology } = run.engine.bindings;
  const verdict = terminology.validateInSystem({
    system,
    code,
    version: typeof version === 'string' ? version : undefined,
  });
  if (verdict.result === 'out' && !isLenient) run.error('code-invalid', 'code-unknown', path, verdict.message ?? '');
  else if (verdict.result !== 'in') run.warning('code-invalid', 'code-unchecked', path, verdict.message ?? '');
}
