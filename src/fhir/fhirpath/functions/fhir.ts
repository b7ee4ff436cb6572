/** The functions that FHIR adds. Spec: https://hl7.org/fhir/R4/fhirpath.html#functions */
import { booleanCode, constantCode, onlyItem, type Code } from '../code.js';
import { executionError } from '../errors.js';
import { systemTypes } from '../model.js';
import { isXhtmlAllowed } from '../narrative.js';
import type { Scope } from '../scope.js';
import { addTo, collectionOf, isObject, itemsOf, Node, rawOf, type Item, type JsonObject } from '../values.js';
import { argument, stringOf } from './arguments.js';
import type { CallSite, FunctionTable } from './registry.js';

export const fhirFunctions: FunctionTable = {
  extension: { arity: [1, 1], compile: extensionCode },
  hasExtension: {
    arity: [1, 1],
    compile(site) {
      return booleanCode(extensionCode(site).exists!);
    },
  },
  hasValue: {
    arity: [0, 0],
    compile({ target: { run } }) {
      return booleanCode((focus, scope) => {
        const item = run(focus, scope);
        if (item === undefined || Array.isArray(item)) return false;
        const value = item instanceof Node ? (item.type.isPrimitive ? item.value : undefined) : item;
        return value !== undefined && !isObject(value);
      });
    },
  },
  getValue: {
    arity: [0, 0],
    compile({ target }) {
      return {
        type: target.type,
        single: true,
        run: (focus, scope) => {
          const item = onlyItem(target.run(focus, scope), 'getValue()');
          return item instanceof Node ? item.value : item;
        },
      };
    },
  },
  resolve: { arity: [0, 0], compile: resolveCode },
  memberOf: {
    arity: [1, 1],
    compile(site) {
      const { target, compiler } = site;
      const url = stringOf(site, argument(site, 0)!, 'memberOf()');
      return booleanCode((focus, scope) => {
        const item = onlyItem(target.run(focus, scope), 'memberOf()');
        const valueSet = url(focus, scope);
        const value = item === undefined ? undefined : rawOf(item);
        if (item === undefined || value === undefined || valueSet === undefined) return undefined;
        if (!scope.env.memberOf) throw executionError('memberOf(): no terminology at hand');
        const type = compiler.navigator.typeOf(item, target.type)?.typeName ?? 'Element';
        return scope.env.memberOf(value, type, valueSet);
      });
    },
  },
  conformsTo: {
    arity: [1, 1],
    compile(site) {
      const { target } = site;
      const url = stringOf(site, argument(site, 0)!, 'conformsTo()');
      return booleanCode((focus, scope) => {
        const item = onlyItem(target.run(focus, scope), 'conformsTo()');
        const profile = url(focus, scope);
        if (item === undefined || profile === undefined) return undefined;
        const answer = scope.env.conformsTo?.(rawOf(item), profile);
        if (answer === undefined) throw executionError(`conformsTo(): no profile ${profile}`);
        return answer;
      });
    },
  },
  subsumes: { arity: [1, 1], compile: (site) => subsumption(site, false) },
  subsumedBy: { arity: [1, 1], compile: (site) => subsumption(site, true) },
  htmlChecks: {
    arity: [0, 0],
    compile({ target: { run } }) {
      return booleanCode((focus, scope) => {
        const item = onlyItem(run(focus, scope), 'htmlChecks()');
        const value = item === undefined ? undefined : rawOf(item);
        return value === undefined ? undefined : typeof value === 'string' && isXhtmlAllowed(value);
      });
    },
  },
  checkModifiers: { arity: [0, 100], compile: ({ target }) => target },
  elementDefinition: { arity: [0, 0], compile: () => constantEmpty },
  slice: { arity: [2, 2], compile: () => constantEmpty },
};

const constantEmpty: Code = { ...constantCode('', systemTypes.string), constant: undefined, run: () => undefined };

/** `extension.where(url = ...)`, also of primitives. */
function extensionCode(site: CallSite): Code {
  const { compiler, target, call } = site;
  const url = stringOf(site, argument(site, 0)!, 'extension()');
  const extensions = compiler.navigator.member(target, 'extension', call.at, false);
  const holds = (item: Item, wanted: string) => (rawOf(item) as JsonObject | undefined)?.url === wanted;
  return {
    type: extensions.type,
    among: extensions.among,
    isEmpty: extensions.isEmpty,
    single: false,
    run: (focus, scope) => {
      const items = extensions.run(focus, scope);
      if (items === undefined) return undefined;
      const wanted = url(focus, scope);
      if (wanted === undefined) return undefined;
      if (!Array.isArray(items)) return holds(items, wanted) ? items : undefined;
      return collectionOf((items as readonly Item[]).filter((item) => holds(item, wanted)));
    },
    exists: (focus, scope) => {
      const items = extensions.run(focus, scope);
      if (items === undefined) return false;
      const wanted = url(focus, scope);
      return wanted !== undefined && itemsOf(items).some((item) => holds(item, wanted));
    },
  };
}

/** The resources that references, canonicals and URIs lead to; what cannot be found is left out. */
function resolveCode({ compiler, target }: CallSite): Code {
  const resource = compiler.model.type('Resource');
  return {
    type: undefined,
    among: resource && [resource],
    single: target.single,
    run: (focus, scope) => {
      const found: Item[] = [];
      for (const item of itemsOf(target.run(focus, scope))) addTo(found, resolved(item, scope));
      return collectionOf(found);
    },
  };
}

function resolved(item: Item, scope: Scope): Item | undefined {
  const value = rawOf(item);
  const reference = isObject(value) ? (value as JsonObject).reference : value;
  return typeof reference === 'string' ? scope.resolve(reference) : undefined;
}

function subsumption(site: CallSite, reversed: boolean): Code {
  const { target, call } = site;
  const other = argument(site, 0)!;
  return booleanCode((focus, scope) => {
    const a = onlyItem(target.run(focus, scope), `${call.name}()`);
    const b = onlyItem(other.run(focus, scope), `${call.name}()`);
    if (a === undefined || b === undefined) return undefined;
    if (!scope.env.subsumes) throw executionError(`${call.name}(): no terminology at hand`);
    return reversed ? scope.env.subsumes(rawOf(b), rawOf(a)) : scope.env.subsumes(rawOf(a), rawOf(b));
  });
}
