/**
 * FHIRPath, compiled: an expression becomes closures once, specialised for the type of its input, and then runs over plain JSON.
 *
 * Spec: https://hl7.org/fhirpath/N1/ and https://hl7.org/fhir/R4/fhirpath.html
 */
import type { Code, Shape } from './code.js';
import { Compiler, type CompilerOptions } from './compiler.js';
import { typeOf } from './convert.js';
import { Decimal } from './decimal.js';
import { FhirPathError } from './errors.js';
import type { FhirModel, TypeInfo } from './model.js';
import { parseFhirPath } from './parser.js';
import { Quantity } from './quantity.js';
import { Scope, type FhirPathEnv } from './scope.js';
import type { Expression } from './syntax.js';
import { Temporal } from './temporal.js';
import { isObject, itemsOf, Node, TypeName, type Item, type JsonObject, type Place } from './values.js';

export { FhirPathError, type FhirPathErrorKind } from './errors.js';
export { Scope, type FhirPathEnv } from './scope.js';

export interface CompileOptions {
  /** Type of the input: a type's name, or the path of a backbone element. Default: what `resourceType` of each input says. */
  readonly type?: string;
  /** Unknown elements, impossible types and order where there is none are errors at compile. Default false: they give nothing. */
  readonly strict?: boolean;
}

/** A result with its type. */
export interface TypedValue {
  /** The JSON of the element; for computed values a string, number or boolean, or `{ value, unit }`. undefined: a primitive without value. */
  readonly value: unknown;
  /** `CodeableConcept`, `code`, `Patient.contact` (a backbone element); System types as `System.String`. */
  readonly type: string;
  /** The `_x` sibling of a primitive: its id and extensions. */
  readonly element?: JsonObject;
}

/** A result that is a node of the input, with the place where it hangs; the input itself has none. */
export interface LocatedValue extends TypedValue {
  readonly place?: Place;
}

export interface CompiledPath {
  readonly expression: string;
  /** All results as plain JSON: dates as text, decimals as numbers, quantities as `{ value, unit }`. @throws FhirPathError */
  evaluate(input: unknown, env?: FhirPathEnv | Scope): unknown[];
  /**
   * For invariants, as the HL7 validator decides them: a single boolean is itself, nothing at all is false, anything else is true.
   * @throws FhirPathError `execution`, which that validator counts as a broken invariant.
   */
  test(input: unknown, env?: FhirPathEnv | Scope): boolean;
  /** All results with their types, for search parameters. @throws FhirPathError */
  values(input: unknown, env?: FhirPathEnv | Scope): TypedValue[];
  /** All results with type and place, for FHIRPath Patch; slower. @throws FhirPathError */
  locate(input: unknown, env?: FhirPathEnv | Scope): LocatedValue[];
}

/** @throws FhirPathError `syntax` or `semantic`; the latter, without `options.type`, only when the first input of a type comes. */
export function compileFhirPath(expression: string, model: FhirModel, options: CompileOptions = {}): CompiledPath {
  return new Path(expression, parseFhirPath(expression), model, options);
}

/** A primitive input together with its `_x` sibling. @param type `date`, `code`, ... */
export function primitiveNode(model: FhirModel, value: unknown, type: string, sibling?: unknown): unknown {
  const known = model.type(type);
  if (!known) throw new FhirPathError('semantic', `no type ${type}`);
  return new Node((value ?? undefined) as Item | undefined, known, isObject(sibling) ? sibling : undefined);
}

class Path implements CompiledPath {
  private readonly fixed: Code | undefined;
  private readonly byType = new Map<string, Code>();
  private readonly locators = new Map<string, Code>();

  constructor(
    readonly expression: string,
    private readonly tree: Expression,
    private readonly model: FhirModel,
    private readonly options: CompileOptions,
  ) {
    if (options.type !== undefined) {
      if (!model.type(options.type)) throw new FhirPathError('semantic', `no type ${options.type}`);
      this.fixed = this.compile(options.type, false);
    } else {
      // Finds what is wrong whatever the input.
      new Compiler(model, { strict: false, locate: false }).code(tree, { type: undefined });
    }
  }

  evaluate(input: unknown, env: FhirPathEnv | Scope = {}): unknown[] {
    const { code, scope } = this.prepare(input, env);
    return itemsOf(code.run(scope.input, scope)).map((item) => plain(item));
  }

  test(input: unknown, env: FhirPathEnv | Scope = {}): boolean {
    const item = (input ?? undefined) as Item | undefined;
    const code = this.fixed ?? this.variant(item, this.byType, false);
    const scope = scopeOf(env, item);
    const result = code.run(item, scope);
    if (typeof result === 'boolean') return result;
    if (result === undefined) return false;
    if (Array.isArray(result)) {
      if (result.length !== 1) return result.length > 0;
      return typeof result[0] === 'boolean' ? result[0] : true;
    }
    return !(result instanceof Node) || typeof result.value !== 'boolean' || result.value;
  }

  values(input: unknown, env: FhirPathEnv | Scope = {}): TypedValue[] {
    const { code, scope } = this.prepare(input, env);
    return itemsOf(code.run(scope.input, scope)).map((item) => typed(item, code.type, this.model));
  }

  locate(input: unknown, env: FhirPathEnv | Scope = {}): LocatedValue[] {
    const item = (input ?? undefined) as Item | undefined;
    const code = this.variant(item, this.locators, true);
    return itemsOf(code.run(item, scopeOf(env, item))).map((found) => {
      const place = found instanceof Node ? found.place : undefined;
      return { ...typed(found, code.type, this.model), ...(place ? { place } : {}) };
    });
  }

  private prepare(input: unknown, env: FhirPathEnv | Scope) {
    const item = (input ?? undefined) as Item | undefined;
    const code = this.fixed ?? this.variant(item, this.byType, false);
    return { code, scope: scopeOf(env, item) };
  }

  private variant(item: Item | undefined, cache: Map<string, Code>, locate: boolean): Code {
    const type = this.options.type ?? typeNameOf(item) ?? '';
    let compiled = cache.get(type);
    if (!compiled) cache.set(type, (compiled = this.compile(type, locate)));
    return compiled;
  }

  private compile(typeName: string, locate: boolean): Code {
    const options: CompilerOptions = { strict: this.options.strict ?? false, locate };
    const type: TypeInfo | undefined = typeName === '' ? undefined : this.model.type(typeName);
    const shape: Shape = type ? inputShape(type) : { type: undefined };
    return new Compiler(this.model, options).code(this.tree, shape);
  }
}

/** Inputs of an abstract type tell their own. */
function inputShape(type: TypeInfo): Shape {
  const open = type.name === 'Resource' || type.name === 'DomainResource';
  return open ? { type: undefined, among: [type] } : { type };
}

function typeNameOf(item: Item | undefined): string | undefined {
  if (item instanceof Node) return item.type.name;
  const name = isObject(item) ? item.resourceType : undefined;
  return typeof name === 'string' ? name : undefined;
}

function scopeOf(env: FhirPathEnv | Scope, input: Item | undefined): Scope {
  if (!(env instanceof Scope)) return new Scope(env, input);
  env.input = input;
  env.defined = undefined;
  env.visits = 0;
  return env;
}

function plain(item: Item): unknown {
  const value = item instanceof Node ? item.value : item;
  if (value instanceof Decimal) return value.toNumber();
  if (value instanceof Temporal) return value.toString();
  if (value instanceof Quantity) return { value: value.value.toNumber(), unit: value.unit };
  if (value instanceof TypeName) return { namespace: value.namespace, name: value.name };
  return value;
}

function typed(item: Item, type: TypeInfo | undefined, model: FhirModel): TypedValue {
  const own = item instanceof Node ? item.type : ownType(item, type, model);
  const name = own === undefined ? 'Element' : own.namespace === 'System' ? `System.${own.name}` : own.name;
  const element = item instanceof Node ? item.sibling : undefined;
  return { value: plain(item), type: name, ...(element ? { element } : {}) };
}

function ownType(item: Item, type: TypeInfo | undefined, model: FhirModel): TypeInfo | undefined {
  return typeOf(item, type, (name) => model.type(name));
}
