/** Spec: https://hl7.org/fhirpath/N1/#existence */
import { booleanCode, existsOf, singleCode, truth, truthOf, type Code } from '../code.js';
import { DistinctItems } from '../distinct.js';
import { FhirPathError } from '../errors.js';
import { systemTypes } from '../model.js';
import type { Scope } from '../scope.js';
import { countOf, isEmpty, itemsOf, type Item } from '../values.js';
import { argument, lambda } from './arguments.js';
import type { CallSite, FunctionDefinition, FunctionTable } from './registry.js';

export const existenceFunctions: FunctionTable = {
  empty: {
    arity: [0, 0],
    compile({ target }) {
      const exists = existsOf(target);
      return booleanCode((focus, scope) => !exists(focus, scope));
    },
  },
  exists: {
    arity: [0, 1],
    compile(site) {
      const criteria = lambda(site, 0);
      return booleanCode(criteria ? some(site.target, criteria) : existsOf(site.target));
    },
  },
  all: {
    arity: [1, 1],
    compile(site) {
      const { run } = site.target;
      const holds = truthOf(lambda(site, 0)!);
      return booleanCode((focus, scope) => {
        const items = run(focus, scope);
        if (items === undefined) return true;
        const outer = scope.index;
        scope.index = 0;
        let answer = true;
        if (!Array.isArray(items)) answer = holds(items, scope) === true;
        else
          for (const item of items as readonly Item[]) {
            if (holds(item, scope) !== true) {
              answer = false;
              break;
            }
            scope.index += 1;
            scope.visit();
          }
        scope.index = outer;
        return answer;
      });
    },
  },
  allTrue: ofBooleans((values) => values.every((value) => value)),
  anyTrue: ofBooleans((values) => values.some((value) => value)),
  allFalse: ofBooleans((values) => values.every((value) => !value)),
  anyFalse: ofBooleans((values) => values.some((value) => !value)),
  subsetOf: ofBoth((own, other, ownType, otherType) => {
    const set = new DistinctItems().addAll(other, otherType);
    return own.every((item) => set.has(item, ownType));
  }),
  supersetOf: ofBoth((own, other, ownType, otherType) => {
    const set = new DistinctItems().addAll(own, ownType);
    return other.every((item) => set.has(item, otherType));
  }),
  count: {
    arity: [0, 0],
    compile({ target: { run, count } }) {
      return singleCode(systemTypes.integer, count ?? ((focus, scope) => countOf(run(focus, scope))));
    },
  },
  distinct: {
    arity: [0, 0],
    compile({ target }) {
      const { run, type } = target;
      return {
        ...target,
        constant: undefined,
        narrow: undefined,
        count: undefined,
        parts: undefined,
        unordered: true,
        run: (focus, scope) => {
          const items = run(focus, scope);
          return Array.isArray(items) ? new DistinctItems().addAll(items, type).items : items;
        },
      };
    },
  },
  isDistinct: {
    arity: [0, 0],
    compile({ target: { run, type } }) {
      return booleanCode((focus, scope) => {
        const items = run(focus, scope);
        if (!Array.isArray(items)) return true;
        const seen = new DistinctItems();
        return (items as readonly Item[]).every((item) => seen.add(item, type));
      });
    },
  },
};

/** Whether the criteria hold for one of the items at least. */
export function some(target: Code, criteria: Code): (focus: Item | undefined, scope: Scope) => boolean {
  const { run } = target;
  const holds = truthOf(criteria);
  return (focus, scope) => {
    const items = run(focus, scope);
    if (items === undefined) return false;
    const outer = scope.index;
    scope.index = 0;
    let answer = false;
    if (!Array.isArray(items)) answer = holds(items, scope) === true;
    else
      for (const item of items as readonly Item[]) {
        if (holds(item, scope) === true) {
          answer = true;
          break;
        }
        scope.index += 1;
        scope.visit();
      }
    scope.index = outer;
    return answer;
  };
}

function ofBooleans(decide: (values: readonly (boolean | undefined)[]) => boolean): FunctionDefinition {
  return {
    arity: [0, 0],
    compile({ call, target }) {
      const { run, type } = target;
      return booleanCode((focus, scope) =>
        decide(
          itemsOf(run(focus, scope)).map((item) => {
            const raw = typeof item === 'object' && 'value' in item ? item.value : item;
            if (typeof raw !== 'boolean') {
              throw new FhirPathError('execution', `${call.name}(): ${type?.name ?? 'an item'} is no boolean`);
            }
            return truth(raw);
          }),
        ),
      );
    },
  };
}

function ofBoth(
  decide: (own: readonly Item[], other: readonly Item[], ownType: Code['type'], otherType: Code['type']) => boolean,
): FunctionDefinition {
  return {
    arity: [1, 1],
    compile(site: CallSite) {
      const { target } = site;
      const other = argument(site, 0)!;
      return booleanCode((focus, scope) => {
        const own = target.run(focus, scope);
        const rest = other.run(focus, scope);
        if (isEmpty(own)) return decide([], itemsOf(rest), target.type, other.type);
        return decide(itemsOf(own), itemsOf(rest), target.type, other.type);
      });
    },
  };
}
