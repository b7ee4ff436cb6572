/**
 * Bindings of elements to value sets.
 *
 * Spec: https://hl7.org/fhir/R4/terminologies.html#binding. Required: a code outside is an error. Extensible: a warning. Preferred and
 * example: nothing. What cannot be decided here (a code system that is not at hand) is a warning that says so, never a silent pass.
 */
import type { Coding } from '../../base/resource.js';
import type { Definitions } from '../definitions/definitions.js';
import type { Binding } from '../definitions/types.js';
import { additionalBindings, type AdditionalBinding } from './additional-bindings.js';
import type { CodeVerdict, Terminology } from '../terminology/terminology.js';
import type { Run } from './run.js';
import type { Property } from './shapes.js';

/** A binding with its value set looked up. */
interface Bound {
  readonly strength: 'required' | 'extensible';
  readonly valueSet: string;
  /** A code outside of this one is an error whatever the strength. */
  readonly maximum?: string;
  /** The only code system of the value set, when it has one: the system of a code without system. */
  readonly system?: string;
}

/** What is to be checked for a binding. */
interface Resolved {
  /** Undefined for preferred and example bindings. */
  readonly bound?: Bound;
  readonly additional: readonly AdditionalBinding[];
}

const maxValueSet = 'http://hl7.org/fhir/StructureDefinition/elementdefinition-maxValueSet';

export class Bindings {
  private readonly resolved = new WeakMap<Binding, Resolved>();

  constructor(
    readonly terminology: Terminology,
    private readonly definitions: Pick<Definitions, 'valueSet'>,
  ) {}

  /** Checks a value of `member` by the binding in its definition. */
  check(run: Run, member: Property, value: unknown, path: string): void {
    if (member.binding) this.checkBinding(run, member.binding, member.type, value, path);
  }

  /**
   * Checks `value` by `binding`.
   * @param type type of the value; a type that carries no code passes.
   */
  checkBinding(run: Run, binding: Binding, type: string, value: unknown, path: string): void {
    let resolved = this.resolved.get(binding);
    if (resolved === undefined) this.resolved.set(binding, (resolved = this.resolve(binding)));
    const { bound, additional } = resolved;
    for (const { valueSet, isError } of additional) this.checkAdditional(run, valueSet, isError, type, value, path);
    if (!bound) return;
    switch (type) {
      case 'code':
      case 'string':
      case 'uri':
      case 'url':
      case 'canonical':
        return checkText(run, bound, value, path);
      case 'Coding':
        return checkCoding(run, bound, value, path);
      case 'CodeableConcept':
        return checkConcept(run, bound, value, path);
      case 'Quantity':
      case 'Age':
      case 'Count':
      case 'Distance':
      case 'Duration':
        return checkCoding(run, bound, value, path);
      default:
    }
  }

  private checkAdditional(
    run: Run,
    valueSet: string,
    isError: boolean,
    type: string,
    value: unknown,
    path: string,
  ): void {
    if (!this.terminology.knowsValueSet(valueSet) || this.isIn(valueSet, type, value)) return;
    const text = `no code is in the value set ${valueSet} (additional binding)`;
    if (isError) run.error('code-invalid', 'binding-additional', path, text);
    else run.warning('code-invalid', 'binding-additional', path, text);
  }

  /** True unless the code of `value` is known to be outside of the value set. A value without a code is in none. */
  isIn(valueSet: string, type: string, value: unknown): boolean {
    if (typeof value === 'string') return this.terminology.validateCode({ code: value }, valueSet).result === 'in';
    if (typeof value !== 'object' || value === null) return false;
    const codings = type === 'CodeableConcept' ? codingsOf(value) : [value as Coding];
    return codings.some(
      ({ system, code }) =>
        typeof code === 'string' &&
        this.terminology.validateCode({ system: text(system) ?? '', code }, valueSet).result === 'in',
    );
  }

  private soleSystem(valueSet: string): string | undefined {
    const includes = this.definitions.valueSet(valueSet)?.compose?.include ?? [];
    const systems = new Set(includes.map(({ system }) => system));
    return systems.size === 1 && includes.every((include) => !include.valueSet) ? includes[0].system : undefined;
  }

  private resolve(binding: Binding): Resolved {
    const extension = binding.extension?.find(({ url }) => url === maxValueSet);
    const maximum = (extension?.valueCanonical ?? extension?.valueUri) as string | undefined;
    const isWeak = binding.strength === 'preferred' || binding.strength === 'example';
    // Under a weak binding HL7's validator does not refuse what is outside of the maximum; neither do we: it is a warning, as under extensible.
    const valueSet = isWeak ? maximum : binding.valueSet;
    const additional = additionalBindings(binding);
    if (valueSet === undefined) return { additional };
    const strength = binding.strength === 'required' ? 'required' : 'extensible';
    return {
      bound: { strength, valueSet, maximum: isWeak ? undefined : maximum, system: this.soleSystem(valueSet) },
      additional,
    };
  }
}

function checkText(run: Run, bound: Bound, value: unknown, path: string): void {
  if (typeof value !== 'string') {
    if (bound.strength === 'required') missing(run, bound, path);
    return;
  }
  const { terminology } = run.engine.bindings;
  report(run, bound, terminology.validateCode({ code: value }, bound.valueSet), path);
  if (bound.strength === 'extensible' && bound.system !== undefined) {
    const verdict = terminology.validateInSystem({ system: bound.system, code: value });
    if (verdict.result === 'out') run.error('code-invalid', 'code-unknown', path, verdict.message ?? '');
  }
  if (bound.maximum === undefined) return;
  reportMaximum(run, bound.maximum, run.engine.bindings.terminology.validateCode({ code: value }, bound.maximum), path);
}

function checkCoding(run: Run, bound: Bound, value: unknown, path: string): void {
  if (typeof value !== 'object' || value === null) return;
  const coding = value as Coding;
  if (typeof coding.code !== 'string') {
    if (bound.strength === 'required') missingCoding(run, bound, path);
    return;
  }
  report(run, bound, verdictOf(run, coding, bound.valueSet), path);
  if (bound.maximum !== undefined) reportMaximum(run, bound.maximum, verdictOf(run, coding, bound.maximum), path);
}

/** The codings of a CodeableConcept, whatever its shape. */
function codingsOf(concept: unknown): Coding[] {
  const codings = (concept as { coding?: unknown } | undefined)?.coding;
  return (Array.isArray(codings) ? codings : []).filter(
    (coding): coding is Coding => typeof coding === 'object' && coding !== null,
  );
}

function checkConcept(run: Run, bound: Bound, concept: unknown, path: string): void {
  const codings = codingsOf(concept).filter(({ code }) => typeof code === 'string');
  if (codings.length === 0) {
    if (bound.strength === 'required') missingCoding(run, bound, path);
    return;
  }
  report(run, bound, best(run, codings, bound.valueSet), path);
  if (bound.maximum !== undefined) reportMaximum(run, bound.maximum, best(run, codings, bound.maximum), path);
}

/** Of several codings one in the value set is enough; one that cannot be decided leaves the question open. */
function best(run: Run, codings: readonly Coding[], valueSet: string): CodeVerdict {
  let verdict: CodeVerdict | undefined;
  for (const coding of codings) {
    const found = verdictOf(run, coding, valueSet);
    if (found.result === 'in') return found;
    if (verdict === undefined || (verdict.result === 'out' && found.result === 'unknown')) verdict = found;
  }
  return verdict as CodeVerdict;
}

/** A coding without a system is in no value set: `''` is nobody's system. */
function verdictOf(run: Run, { system, code, version }: Coding, valueSet: string): CodeVerdict {
  return run.engine.bindings.terminology.validateCode(
    { system: text(system) ?? '', code, version: text(version) },
    valueSet,
  );
}

const text = (value: unknown): string | undefined => (typeof value === 'string' ? value : undefined);

function missing(run: Run, bound: Bound, path: string): void {
  run.coverage.bindings += 1;
  run.coverage.bindingsChecked += 1;
  const text = `no code found; expected a code from the value set ${bound.valueSet} (required binding)`;
  run.error('code-invalid', 'binding-required', path, text);
}

/** As `missing`, for a Coding or CodeableConcept: nobody knows what an unknown value set demands of it. */
function missingCoding(run: Run, bound: Bound, path: string): void {
  if (run.engine.bindings.terminology.knowsValueSet(bound.valueSet)) {
    missing(run, bound, path);
    return;
  }
  run.coverage.bindings += 1;
  const text = `no code found, and the value set ${bound.valueSet} is not at hand (required binding)`;
  run.warning('code-invalid', 'binding-unchecked', path, text);
}

function report(run: Run, bound: Bound, verdict: CodeVerdict, path: string): void {
  run.coverage.bindings += 1;
  if (verdict.result !== 'unknown') run.coverage.bindingsChecked += 1;
  if (verdict.result === 'in') return;
  if (verdict.result === 'unknown') {
    run.warning('code-invalid', 'binding-unchecked', path, `${verdict.message} (${bound.strength} binding)`);
  } else if (bound.strength === 'required') {
    run.error('code-invalid', 'binding-required', path, `${verdict.message} (required binding)`);
  } else {
    run.warning('code-invalid', 'binding-extensible', path, `${verdict.message} (extensible binding)`);
  }
}

function reportMaximum(run: Run, maximum: string, verdict: CodeVerdict, path: string): void {
  if (verdict.result !== 'out') return;
  run.error('code-invalid', 'binding-maximum', path, `${verdict.message} (the largest value set allowed, ${maximum})`);
}
