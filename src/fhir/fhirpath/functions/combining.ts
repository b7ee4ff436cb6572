/** Spec: https://hl7.org/fhirpath/N1/#combining */
import { selfTyped } from '../distinct.js';
import { mixed, union } from '../operators.js';
import { addTo, collectionOf, type Item } from '../values.js';
import { argument } from './arguments.js';
import type { FunctionTable } from './registry.js';

export const combiningFunctions: FunctionTable = {
  union: {
    arity: [1, 1],
    compile: (site) => union(site.target, argument(site, 0)!),
  },
  combine: {
    arity: [1, 1],
    compile(site) {
      const { target } = site;
      const other = argument(site, 0)!;
      const { type, among, wraps } = mixed(target, other);
      return {
        type,
        among,
        single: false,
        unordered: false,
        run: (focus, scope) => {
          const all: Item[] = [];
          const own = target.run(focus, scope);
          const more = other.run(focus, scope);
          addTo(all, wraps ? selfTyped(own, target.type) : own);
          addTo(all, wraps ? selfTyped(more, other.type) : more);
          return collectionOf(all);
        },
      };
    },
  },
};
