/** Spec: https://hl7.org/fhirpath/N1/#filtering-and-projection */
import { truthOf, type Code } from '../code.js';
import { DistinctItems, selfTyped } from '../distinct.js';
import { ofTypeOperator } from '../type-operators.js';
import { addTo, collectionOf, itemsOf, type Item } from '../values.js';
import { lambda } from './arguments.js';
import { some } from './existence.js';
import type { CallSite, FunctionTable } from './registry.js';

export const filteringFunctions: FunctionTable = {
  where: {
    arity: [1, 1],
    compile(site) {
      return whereCode(site.target, lambda(site, 0)!);
    },
  },
  select: {
    arity: [1, 1],
    compile(site) {
      const { target } = site;
      const projection = lambda(site, 0)!;
      const { run } = projection;
      return {
        type: projection.type,
        among: projection.among,
        isEmpty: projection.isEmpty,
        unordered: target.unordered,
        single: target.single && projection.single,
        run: (focus, scope) => {
          const items = target.run(focus, scope);
          if (items === undefined) return undefined;
          const outer = scope.index;
          scope.index = 0;
          const found: Item[] = [];
          for (const item of itemsOf(items)) {
            addTo(found, run(item, scope));
            scope.index += 1;
            scope.visit();
          }
          scope.index = outer;
          return collectionOf(found);
        },
      };
    },
  },
  repeat: {
    arity: [1, 1],
    compile: repeatCode,
  },
  ofType: {
    arity: [1, 1],
    compile({ compiler, call, target }) {
      return ofTypeOperator(compiler, target, compiler.typeArgument(call));
    },
  },
};

/** The items for which the criteria are true. */
function whereCode(target: Code, criteria: Code): Code {
  const { run } = target;
  const holds = truthOf(criteria);
  return {
    type: target.type,
    among: target.among,
    single: target.single,
    isEmpty: target.isEmpty,
    unordered: target.unordered,
    exists: some(target, criteria),
    run: (focus, scope) => {
      const items = run(focus, scope);
      if (items === undefined) return undefined;
      const outer = scope.index;
      scope.index = 0;
      let answer: Item | Item[] | undefined;
      if (!Array.isArray(items)) {
        answer = holds(items, scope) === true ? items : undefined;
      } else {
        const found: Item[] = [];
        for (const item of items as readonly Item[]) {
          if (holds(item, scope) === true) found.push(item);
          scope.index += 1;
          scope.visit();
        }
        answer = found.length > 1 ? found : found[0];
      }
      scope.index = outer;
      return answer;
    },
  };
}

/** The projection, and the projection of what it gives, until nothing new comes. */
function repeatCode(site: CallSite): Code {
  const { compiler, call, target } = site;
  // What comes out goes in again: only types known at run time fit both.
  const { run } = compiler.code(call.args[0], { type: undefined });
  return {
    type: undefined,
    single: false,
    run: (focus, scope) => {
      const found = new DistinctItems();
      let round = itemsOf(selfTyped(target.run(focus, scope), target.type));
      while (round.length > 0) {
        const next: Item[] = [];
        scope.visit(round.length * 10);
        for (const item of round) {
          for (const child of itemsOf(selfTyped(run(item, scope), undefined))) {
            if (found.add(child, undefined)) next.push(child);
          }
        }
        round = next;
      }
      return collectionOf(found.items);
    },
  };
}
