/** Spec: https://hl7.org/fhirpath/N1/#tree-navigation */
import type { TypeInfo } from '../model.js';
import type { Navigator } from '../navigation.js';
import { addTo, collectionOf, isObject, itemsOf, Node, type Item } from '../values.js';
import type { FunctionTable } from './registry.js';

export const treeFunctions: FunctionTable = {
  children: {
    arity: [0, 0],
    compile({ compiler: { navigator }, target }) {
      return {
        type: undefined,
        single: false,
        unordered: true,
        run: (focus, scope) => {
          const found: Item[] = [];
          for (const item of itemsOf(target.run(focus, scope))) addTo(found, navigator.children(item, target.type));
          return collectionOf(found);
        },
        count: (focus, scope) => {
          let count = 0;
          for (const item of itemsOf(target.run(focus, scope))) count += navigator.countChildren(item, target.type);
          return count;
        },
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
          const items = target.run(focus, scope);
          if (items !== undefined && items === scope.resource && !navigator.locate) {
            // Invariants such as dom-3 walk the whole resource again and again.
            if (scope.tree?.root !== items) {
              const below: Item[] = [];
              addTreeBelow(below, items, undefined, navigator);
              scope.tree = { root: items, below };
            }
            scope.visit(scope.tree.below.length);
            return collectionOf(scope.tree.below);
          }
          const found: Item[] = [];
          for (const item of itemsOf(items)) addTreeBelow(found, item, target.type, navigator);
          scope.visit(found.length);
          return collectionOf(found);
        },
      };
    },
  },
};

function addTreeBelow(found: Item[], item: Item, type: TypeInfo | undefined, navigator: Navigator): void {
  for (const child of navigator.children(item, type)) addTree(found, child, navigator);
}

function addTree(found: Item[], item: Item, navigator: Navigator): void {
  found.push(item);
  if (item instanceof Node && item.sibling === undefined && !isObject(item.value)) return;
  for (const child of navigator.children(item, undefined)) addTree(found, child, navigator);
}
