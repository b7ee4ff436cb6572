/** Spec: https://hl7.org/fhirpath/N1/#subsetting */
import { onlyItem, type Code } from '../code.js';
import { DistinctItems } from '../distinct.js';
import { checkOrder } from '../type-operators.js';
import { collectionOf, itemsOf, type Collection, type Item } from '../values.js';
import { argument, integerOf } from './arguments.js';
import type { FunctionDefinition, FunctionTable } from './registry.js';

export const subsettingFunctions: FunctionTable = {
  single: {
    arity: [0, 0],
    compile({ target }) {
      const { run } = target;
      return { type: target.type, among: target.among, single: true, run: (f, s) => onlyItem(run(f, s), 'single()') };
    },
  },
  first: positional(true, (items) => (Array.isArray(items) ? (items as readonly Item[])[0] : items)),
  last: positional(true, (items) => (Array.isArray(items) ? (items as readonly Item[]).at(-1) : items)),
  tail: positional(false, (items) => collectionOf(itemsOf(items).slice(1))),
  skip: counted((items, count) => items.slice(Math.max(count, 0))),
  take: counted((items, count) => items.slice(0, Math.max(count, 0))),
  intersect: {
    arity: [1, 1],
    compile(site) {
      const { target } = site;
      const other = argument(site, 0)!;
      return {
        ...subset(target),
        run: (focus, scope) => {
          const others = new DistinctItems().addAll(other.run(focus, scope), other.type);
          const found = new DistinctItems();
          for (const item of itemsOf(target.run(focus, scope))) {
            if (others.has(item, target.type)) found.add(item, target.type);
          }
          return collectionOf(found.items);
        },
      };
    },
  },
  exclude: {
    arity: [1, 1],
    compile(site) {
      const { target } = site;
      const other = argument(site, 0)!;
      return {
        ...subset(target),
        run: (focus, scope) => {
          const others = new DistinctItems().addAll(other.run(focus, scope), other.type);
          return collectionOf(itemsOf(target.run(focus, scope)).filter((item) => !others.has(item, target.type)));
        },
      };
    },
  },
};

function subset({ type, among, single, unordered }: Code): Omit<Code, 'run'> {
  return { type, among, single, unordered };
}

function positional(single: boolean, pick: (items: Collection) => Collection): FunctionDefinition {
  return {
    arity: [0, 0],
    compile({ compiler, call, target }) {
      checkOrder(compiler, target, call.name, call.at);
      const { run, exists } = target;
      return {
        ...subset(target),
        single: single || target.single,
        run: (focus, scope) => pick(run(focus, scope)),
        ...(single && exists ? { exists } : {}),
      };
    },
  };
}

function counted(pick: (items: readonly Item[], count: number) => readonly Item[]): FunctionDefinition {
  return {
    arity: [1, 1],
    compile(site) {
      const { compiler, call, target } = site;
      checkOrder(compiler, target, call.name, call.at);
      const count = integerOf(argument(site, 0)!, `${call.name}()`);
      return {
        ...subset(target),
        run: (focus, scope) => collectionOf(pick(itemsOf(target.run(focus, scope)), count(focus, scope) ?? 0)),
      };
    },
  };
}
