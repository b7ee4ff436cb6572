/** What the definitions say of the elements below a type: lists, choices, backbones. */
import type { Definitions } from '../definitions/definitions.js';

export interface ElementFacts {
  /** Type name, or the path of a backbone element: where its own children are looked for. */
  readonly path: string;
  readonly isList: boolean;
  readonly isChoice: boolean;
}

export interface Elements {
  /** @param type a type name (`HumanName`) or path of a backbone element (`Patient.contact`). @param name `value` or `value[x]` for a choice. */
  child(type: string, name: string): ElementFacts | undefined;
}

const remembered = new WeakMap<Definitions, Elements>();

export function elementsOf(definitions: Definitions): Elements {
  const known = remembered.get(definitions);
  if (known !== undefined) return known;
  const elements: Elements = {
    child(type, name) {
      const snapshot = definitions.structureDefinition(type.split('.')[0])?.snapshot?.element ?? [];
      const bare = name.replace(/\[x\]$/, '');
      const element = snapshot.find(({ path }) => path === `${type}.${bare}` || path === `${type}.${bare}[x]`);
      if (element === undefined) return undefined;
      const code = element.type?.[0]?.code ?? '';
      const isBackbone = code === 'BackboneElement' || code === 'Element';
      const reference = element.contentReference?.replace(/^.*#/, '');
      return {
        path: reference ?? (isBackbone ? element.path : code),
        isList: element.max !== '1',
        isChoice: element.path.endsWith('[x]'),
      };
    },
  };
  remembered.set(definitions, elements);
  return elements;
}
