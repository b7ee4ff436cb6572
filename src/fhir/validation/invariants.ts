/**
 * Invariants: the FHIRPath rules of the definitions, compiled when their element is first met.
 *
 * The universal ones (ele-1, ext-1, dom-2 to dom-6, txt-1, txt-2) are written out by hand elsewhere and never come here.
 * Spec: https://hl7.org/fhir/R4/conformance-rules.html#constraints
 */
import type { Constraint } from '../definitions/types.js';
import type { CompiledPath } from '../fhirpath/fhirpath.js';
import { corrected } from './errata.js';
import type { Frame, Holder, Run } from './run.js';
import type { Property, Shape } from './shapes.js';

/** The FHIRPath engine, as far as invariants need it. */
export interface FhirPaths {
  /** @param type type of the input: a type name or the path of a backbone element. @throws FhirPathError when it cannot be compiled. */
  compile(expression: string, type: string | undefined): CompiledPath;
  /** Variables and functions for one resource. */
  scope(run: Run, frame: Frame): unknown;
  /** Input for a primitive value with its companion. */
  primitive(value: unknown, type: string, sibling: unknown): unknown;
}

interface Invariant {
  readonly constraint: Constraint;
  readonly isBestPractice: boolean;
  readonly path: CompiledPath | undefined;
}

const bestPractice = 'http://hl7.org/fhir/StructureDefinition/elementdefinition-bestpractice';

export class Invariants {
  private readonly compiled = new WeakMap<readonly Constraint[], Map<string, readonly Invariant[]>>();

  constructor(private readonly paths: FhirPaths) {}

  /** The invariants of an object's own type. */
  checkShape(run: Run, shape: Shape, object: object, path: string): void {
    if (shape.constraints.length === 0) return;
    shape.compiled.invariants ??= this.compile(shape.constraints, shape.type);
    this.check(run, shape.compiled.invariants as readonly Invariant[], object, path);
  }

  /** The invariants that an element adds to those of its type. */
  checkProperty(run: Run, member: Property, value: unknown, sibling: unknown, path: string): void {
    member.compiled.invariants ??= this.compile(member.constraints, member.type);
    const input = member.check ? this.paths.primitive(value, member.type, sibling) : value;
    this.check(run, member.compiled.invariants as readonly Invariant[], input, path);
  }

  /** Any list of constraints, compiled once for each type. */
  checkConstraints(run: Run, constraints: readonly Constraint[], type: string, input: unknown, path: string): void {
    let byType = this.compiled.get(constraints);
    if (!byType) this.compiled.set(constraints, (byType = new Map<string, readonly Invariant[]>()));
    let invariants = byType.get(type);
    if (!invariants) byType.set(type, (invariants = this.compile(constraints, type)));
    this.check(run, invariants, input, path);
  }

  /** Input for a primitive with its companion. */
  primitive(value: unknown, type: string, sibling: unknown): unknown {
    return this.paths.primitive(value, type, sibling);
  }

  /** True when `expression`, evaluated on the present resource, selects `object`. */
  selects(run: Run, expression: string, object: object): boolean {
    const path = this.path(expression, run.frame.resource.resourceType);
    return path === undefined || path.evaluate(run.frame.resource, this.scopeOf(run)).includes(object);
  }

  /** True when `expression` holds on `holder`. */
  holds(run: Run, expression: string, holder: Holder): boolean {
    const path = this.path(expression, holder.type);
    return path === undefined || path.test(holder.object, this.scopeOf(run));
  }

  /** What is wrong with the syntax of a FHIRPath expression; undefined when nothing is. */
  problemOf(expression: string): string | undefined {
    try {
      this.paths.compile(expression, undefined);
      return undefined;
    } catch (error) {
      return error instanceof Error ? error.message : String(error);
    }
  }

  private path(expression: string, type: string): CompiledPath | undefined {
    try {
      return this.paths.compile(expression, type);
    } catch {
      return undefined;
    }
  }

  private compile(constraints: readonly Constraint[], type: string): Invariant[] {
    return constraints
      .filter(({ expression }) => expression !== undefined)
      .map((constraint) => ({
        constraint,
        isBestPractice:
          constraint.extension?.some(({ url, valueBoolean }) => url === bestPractice && valueBoolean === true) ?? false,
        path: this.path(corrected(constraint.expression as string), type),
      }));
  }

  private check(run: Run, invariants: readonly Invariant[], input: unknown, path: string): void {
    for (const invariant of invariants) {
      const { key, severity, human, expression } = invariant.constraint;
      if (invariant.isBestPractice && !run.options.bestPractice) continue;
      if (invariant.path === undefined) {
        run.error('processing', `invariant:${key}`, path, `the rule ${key} cannot be evaluated: ${expression ?? ''}`);
        continue;
      }
      let holds = false;
      let reason = '';
      try {
        holds = invariant.path.test(input as object, this.scopeOf(run));
      } catch (error) {
        reason = ` (${error instanceof Error ? error.message : String(error)})`;
      }
      if (holds) continue;
      const text = `the rule ${key} is broken: ${human}${reason}`;
      if (severity === 'error' && !invariant.isBestPractice) run.error('invariant', `invariant:${key}`, path, text);
      else run.warning('invariant', `invariant:${key}`, path, text);
    }
  }

  private scopeOf(run: Run): never {
    return (run.frame.scope ??= this.paths.scope(run, run.frame)) as never;
  }
}
