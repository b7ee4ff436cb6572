/** Spec: https://hl7.org/fhirpath/N1/#utility-functions; `aggregate`, `sort`. */
import { onlyItem, singleCode, type Code } from '../code.js';
import { selfTyped } from '../distinct.js';
import { compareItems } from '../equality.js';
import { executionError } from '../errors.js';
import { systemTypes } from '../model.js';
import { typeNameType } from '../navigation.js';
import { Temporal } from '../temporal.js';
import { collectionOf, itemsOf, TypeName, type Collection, type Item } from '../values.js';
import { argument, lambda, stringOf } from './arguments.js';
import type { CallSite, FunctionTable } from './registry.js';

export const utilityFunctions: FunctionTable = {
  trace: { arity: [1, 2], compile: traceCode },
  now: { arity: [0, 0], compile: () => singleCode(systemTypes.dateTime, (_, scope) => scope.now) },
  today: {
    arity: [0, 0],
    compile: () => singleCode(systemTypes.date, (_, s) => new Temporal('date', s.now.fields.slice(0, 3), undefined)),
  },
  timeOfDay: {
    arity: [0, 0],
    compile: () => singleCode(systemTypes.time, (_, s) => new Temporal('time', s.now.fields.slice(3), undefined)),
  },
  type: {
    arity: [0, 0],
    compile({ compiler: { navigator }, target }) {
      return {
        type: typeNameType,
        single: target.single,
        run: (focus, scope) =>
          collectionOf(
            itemsOf(target.run(focus, scope)).map((item) => {
              const type = navigator.typeOf(item, target.type);
              return new TypeName(type?.namespace ?? 'System', type?.typeName ?? 'Any');
            }),
          ),
      };
    },
  },
  defineVariable: { arity: [1, 2], compile: defineVariableCode },
  aggregate: { arity: [1, 2], compile: aggregateCode },
  sort: { arity: [0, 10], compile: sortCode },
};

function traceCode(site: CallSite): Code {
  const { target } = site;
  const name = stringOf(site, argument(site, 0)!, 'trace()');
  const projection = lambda(site, 1);
  return {
    ...target,
    exists: undefined,
    narrow: undefined,
    constant: undefined,
    count: undefined,
    parts: undefined,
    run: (focus, scope) => {
      const items = target.run(focus, scope);
      if (scope.env.trace) {
        const shown = projection
          ? itemsOf(items).flatMap((item) => itemsOf(projection.run(item, scope)))
          : itemsOf(items);
        scope.env.trace(name(focus, scope) ?? '', shown);
      }
      return items;
    },
  };
}

/** Gives its input on, and keeps it, or the value of the second argument, as `%name`. */
function defineVariableCode(site: CallSite): Code {
  const { target } = site;
  const name = stringOf(site, argument(site, 0)!, 'defineVariable()');
  const value = lambda(site, 1) ?? target;
  const { run } = target;
  return {
    type: target.type,
    among: target.among,
    single: target.single,
    run: (focus, scope) => {
      const items = run(focus, scope);
      const variable = name(focus, scope);
      if (variable === undefined) throw executionError('defineVariable(): no name');
      const own = value === target ? items : value.run(target.single ? (items as Item | undefined) : focus, scope);
      (scope.defined ??= new Map<string, Collection>()).set(variable, selfTyped(own, value.type));
      return items;
    },
  };
}

function aggregateCode(site: CallSite): Code {
  const { compiler, target } = site;
  const start = argument(site, 1);
  const { run } = compiler.withTotal({ type: undefined }, () => lambda(site, 0)!);
  return {
    type: undefined,
    single: false,
    run: (focus, scope) => {
      const outer = { index: scope.index, total: scope.total };
      let total = start?.run(focus, scope);
      scope.index = 0;
      for (const item of itemsOf(target.run(focus, scope))) {
        scope.total = total;
        total = run(item, scope);
        scope.index += 1;
        scope.visit();
      }
      scope.index = outer.index;
      scope.total = outer.total;
      return total;
    },
  };
}

/** Stable; a key written `-key` sorts downwards; items without a key come first. */
function sortCode(site: CallSite): Code {
  const { compiler, call, target } = site;
  const shape = { type: target.type, among: target.among };
  const keys = call.args.map((argument) => {
    const down = argument.kind === 'polarity' && argument.sign === '-';
    return { down, code: compiler.code(down ? argument.operand : argument, shape) };
  });
  if (keys.length === 0) keys.push({ down: false, code: compiler.thisCode(shape) });
  return {
    type: target.type,
    among: target.among,
    single: target.single,
    run: (focus, scope) => {
      const rows = itemsOf(target.run(focus, scope)).map((item) => ({
        item,
        keys: keys.map(({ code }) => onlyItem(code.run(item, scope), 'sort()')),
      }));
      rows.sort((a, b) => {
        for (let i = 0; i < keys.length; i += 1) {
          const order = compareKeys(a.keys[i], b.keys[i], keys[i]);
          if (order !== 0) return order;
        }
        return 0;
      });
      return collectionOf(rows.map((row) => row.item));
    },
  };
}

/** Items without a key come first in both directions. */
function compareKeys(a: Item | undefined, b: Item | undefined, key: { code: Code; down: boolean }): number {
  if (a === undefined || b === undefined) return a === b ? 0 : a === undefined ? -1 : 1;
  const order = compareItems(a, key.code.type, b, key.code.type) ?? 0;
  return key.down ? -order : order;
}
