/** Codings and quantities: a code must exist in a code system that is completely at hand, whatever the binding. */
import type { TypeRule } from './type-rules.js';
import { shown, type Run } from './run.js';

interface Coded {
  readonly system?: unknown;
  readonly code?: unknown;
  readonly version?: unknown;
}

export const codingRule: TypeRule = (run, value, path, member) => {
  const { system } = value as Coded;
  // In a CodeableConcept a text may stand in for a proper coding, so the HL7 validator lets that pass.
  if (typeof system === 'string' && !/^(?:https?|urn):/.test(system)) {
    const text = `Coding.system is ${shown(system)}; expected an absolute URI`;
    if (member.definedAt === 'CodeableConcept.coding') run.warning('code-invalid', 'coding-system', path, text);
    else run.error('code-invalid', 'coding-system', path, text);
  }
  checkCode(run, value as Coded, path);
};

export const quantityRule: TypeRule = (run, value, path) => checkCode(run, value as Coded, path);

function checkCode(run: Run, { system, code, version }: Coded, path: string): void {
  if (typeof system !== 'string' || typeof code !== 'string') return;
  const { terminology } = run.engine.bindings;
  const verdict = terminology.validateInSystem({
    system,
    code,
    version: typeof version === 'string' ? version : undefined,
  });
  if (verdict.result === 'out') run.error('code-invalid', 'code-unknown', path, verdict.message ?? '');
  else if (verdict.result === 'unknown') run.warning('code-invalid', 'code-unchecked', path, verdict.message ?? '');
}
