/** Compiling the arguments of a function. */
import { onlyItem, singleCode, type Code, type Run } from '../code.js';
import { systemValue, type SystemValue } from '../convert.js';
import { executionError, FhirPathError } from '../errors.js';
import { describe } from '../equality.js';
import type { TypeInfo } from '../model.js';
import type { Scope } from '../scope.js';
import { Temporal } from '../temporal.js';
import { Node, type Collection, type Item } from '../values.js';
import type { CallSite, FunctionDefinition } from './registry.js';

export type Value<T> = (focus: Item | undefined, scope: Scope) => T | undefined;

/** An argument evaluated with the `$this` around the call. */
export function argument({ compiler, call, focus }: CallSite, index: number): Code | undefined {
  const expression = call.args[index];
  return expression && compiler.code(expression, focus);
}

/** An argument evaluated for each item of the target, as `$this`. */
export function lambda({ compiler, call, target }: CallSite, index: number): Code | undefined {
  const expression = call.args[index];
  return expression && compiler.code(expression, { type: target.type, among: target.among });
}

/** The single System value of a code. @throws FhirPathError at run time when there are several. */
export function valueOf(code: Code, what: string): Value<SystemValue> {
  const { run, type, constant } = code;
  if (constant !== undefined) return () => constant as SystemValue;
  return (focus, scope) => {
    const item = onlyItem(run(focus, scope), what);
    return item === undefined ? undefined : systemValue(item, type);
  };
}

/**
 * The single string of a code; dates count as their texts.
 *
 * The strict mode refuses everything else, at compile where it can. The lenient one finds no string in other types and in several items,
 * as the HL7 validator does.
 * @param first in the lenient mode, take the first of several items.
 */
export function stringOf(site: CallSite, code: Code, what: string, first = false): Value<string> {
  const { strict } = site.compiler.options;
  if (strict && code.type && !isStringLike(code.type)) {
    throw new FhirPathError('semantic', `${what}: ${code.type.name} is no string`, site.call.at);
  }
  const { run, type, constant } = code;
  if (typeof constant === 'string') return () => constant;
  const raw = type === undefined || isStringLike(type);
  return (focus, scope) => {
    const collection = run(focus, scope);
    if (collection === undefined) return undefined;
    if (typeof collection === 'string' && raw) return collection;
    if (Array.isArray(collection) && collection.length > 1 && !strict) {
      return first ? textOf((collection as readonly Item[])[0], type, strict) : undefined;
    }
    const item = onlyItem(collection, what);
    const text = item === undefined ? undefined : textOf(item, type, strict);
    if (text !== undefined || item === undefined || !strict) return text;
    if (item instanceof Node && item.value === undefined) return undefined;
    throw executionError(`${what}: a string was expected, ${describe(systemValue(item, type))} was found`);
  };
}

/** In the lenient mode, a primitive of extensions alone is the empty text. */
function textOf(item: Item, type: TypeInfo | undefined, strict: boolean): string | undefined {
  if (item instanceof Temporal) return item.toString();
  const value = item instanceof Node ? item.value : item;
  const own = item instanceof Node ? item.type : type;
  if (own !== undefined && !isStringLike(own)) return undefined;
  if (value === undefined && !strict) return '';
  return typeof value === 'string' ? value : undefined;
}

function isStringLike(type: TypeInfo): boolean {
  return type.system === undefined ? false : ['String', 'Date', 'DateTime', 'Time'].includes(type.system);
}

/** The single integer of a code. */
export function integerOf(code: Code, what: string): Value<number> {
  const read = valueOf(code, what);
  return (focus, scope) => {
    const value = read(focus, scope);
    if (value === undefined || typeof value === 'number') return value;
    throw executionError(`${what}: an integer was expected, ${describe(value)} was found`);
  };
}

/** A function of one value without arguments: empty stays empty. */
export function unary(type: TypeInfo | undefined, compute: (value: SystemValue) => Collection): FunctionDefinition {
  return {
    arity: [0, 0],
    compile({ call, target }) {
      const read = valueOf(target, `${call.name}()`);
      const run: Run = (focus, scope) => {
        const value = read(focus, scope);
        return value === undefined ? undefined : compute(value);
      };
      return type ? singleCode(type, run) : { type: undefined, single: true, run };
    },
  };
}
