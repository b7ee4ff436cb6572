/** `is`, `as`, `ofType`. Spec: https://hl7.org/fhirpath/N1/#types */
import { booleanCode, emptyCode, onlyItem, type Code } from './code.js';
import type { Compiler } from './compiler.js';
import { FhirPathError } from './errors.js';
import type { TypeInfo } from './model.js';
import { isAbstract } from './steps.js';
import { collectionOf, countOf, type Collection, type Item } from './values.js';

/** @param type undefined: a type that does not exist, which nothing is. */
export function typeOperator(
  compiler: Compiler,
  operator: 'is' | 'as',
  target: Code,
  type: TypeInfo | undefined,
): Code {
  return operator === 'is' ? isOperator(compiler, target, type, false) : asOperator(compiler, target, type);
}

/**
 * True for an item of the type or of one derived from it. Empty for none.
 *
 * @param several the answer for several items in the lenient mode, as the HL7 validator gives it; the strict one refuses them.
 */
export function isOperator(
  { navigator, options }: Compiler,
  target: Code,
  type: TypeInfo | undefined,
  several: boolean | undefined,
): Code {
  const { run } = target;
  return booleanCode((focus, scope) => {
    const items = run(focus, scope);
    if (!options.strict && countOf(items) > 1) return several;
    const item = onlyItem(items, 'is');
    if (item === undefined) return undefined;
    return type !== undefined && (navigator.typeOf(item, target.type)?.isA(type) ?? false);
  });
}

/**
 * The item when it is of the type, else empty.
 *
 * Of several items, the lenient mode picks those of the type, as invariants and search parameters of R4 expect; the strict one refuses.
 */
export function asOperator(compiler: Compiler, target: Code, type: TypeInfo | undefined): Code {
  const code = ofTypeOperator(compiler, target, type);
  if (!compiler.options.strict || target.single) return code;
  return {
    ...code,
    exists: undefined,
    run: (focus, scope) => {
      onlyItem(target.run(focus, scope), 'as');
      return code.run(focus, scope);
    },
  };
}

/** The items of the type. A primitive must be of exactly that type: a code is no string here. */
export function ofTypeOperator({ navigator }: Compiler, target: Code, type: TypeInfo | undefined): Code {
  if (!type || target.isEmpty) return emptyCode;
  const matches = (own: TypeInfo | undefined) =>
    own !== undefined && (own === type || (!type.isPrimitive && own.isA(type)));
  if (target.type && !isAbstract(target.type)) {
    if (matches(target.type)) return target;
    // Items that are Nodes may be of a derived type.
    if (!type.isA(target.type)) return emptyCode;
  }
  const narrowed = target.narrow && !isAbstract(type) && target.narrow(type);
  if (narrowed) return narrowed;
  const { run } = target;
  const keep = (item: Item) => matches(navigator.typeOf(item, target.type));
  const exact = !isAbstract(type);
  return {
    type: exact ? type : undefined,
    among: exact ? undefined : [type],
    single: target.single,
    unordered: target.unordered,
    run: (focus, scope): Collection => {
      const items = run(focus, scope);
      if (items === undefined) return undefined;
      if (!Array.isArray(items)) return keep(items) ? items : undefined;
      return collectionOf((items as readonly Item[]).filter(keep));
    },
  };
}

/** Refuses, in strict mode, what depends on the order of items that have none. */
export function checkOrder({ options }: Compiler, target: Code, name: string, at: number): void {
  if (options.strict && target.unordered) {
    throw new FhirPathError('semantic', `${name}() on items that have no order`, at);
  }
}
