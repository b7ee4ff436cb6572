/** Spec: https://hl7.org/fhirpath/N1/#tree-navigation */
import type { Navigator } from '../navigation.js';
import { collectionOf, itemsOf, type Item } from '../values.js';
import type { FunctionTable } from './registry.js';

export const treeFunctions: FunctionTable = {
  children: {
    arity: [0, 0],
    compile({ compiler: { navigator }, target }) {
      return {
        type: undefined,
        single: false,
        unordered: true,
        run: (focus, scope) =>
          collectionOf(itemsOf(target.run(focus, scope)).flatMap((item) => navigator.children(item, target.type))),
      };
    },
  },
  descendants: {
    arity: [0, 0],
    compile({ compiler: { navigator }, target }) {
      return {
        type: undefined,
        single: false,
        unordered: true,
        run: (focus, scope) => {
          const found: Item[] = [];
          for (const item of itemsOf(target.run(focus, scope))) {
            for (const child of navigator.children(item, target.type)) addTree(found, child, navigator);
          }
          return collectionOf(found);
        },
      };
    },
  },
};

function addTree(found: Item[], item: Item, navigator: Navigator): void {
  found.push(item);
  for (const child of navigator.children(item, undefined)) addTree(found, child, navigator);
}
