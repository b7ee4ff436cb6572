/** The value that a part of a FHIRPath Patch carries: `value[x]`, a resource, or nested parts for backbone elements. */
import { EXACT } from '../../base/exact-numbers.js';
import type { ElementFacts, Elements } from './elements.js';
import { structuredCopy } from './json-patch.js';
import type { Part } from './patch-parts.js';
import { insertAt, setMember, type Valued } from './tree.js';

/** @param path type name or backbone path of the value, for nested parts. */
export function valueOfPart(part: Part, path: string, elements: Elements): Valued {
  if (part.resource !== undefined) return { type: '', value: structuredCopy(part.resource) };
  const key = Object.keys(part).find((name) => /^_?value[A-Z]/.test(name));
  if (key !== undefined) return primitiveOrComplex(part, key.replace(/^_/, ''));
  const value: Record<string, unknown> = {};
  for (const member of part.part ?? []) {
    const name = String(member.name);
    const element: ElementFacts = elements.child(path, name) ?? { path: name, isList: false, isChoice: false };
    const below = valueOfPart(member, element.path, elements);
    const memberKey = element.isChoice ? name + below.type.charAt(0).toUpperCase() + below.type.slice(1) : name;
    if (element.isList)
      insertAt(value, memberKey, Array.isArray(value[memberKey]) ? value[memberKey].length : 0, below);
    else setMember(value, memberKey, below);
  }
  return { type: '', value };
}

function primitiveOrComplex(part: Part, key: string): Valued {
  const name = key.slice('value'.length);
  const value = structuredCopy(part[key]);
  const isComplex = typeof value === 'object' && value !== null;
  const exact = (part as { [EXACT]?: Record<string, string> })[EXACT]?.[key];
  return {
    type: isComplex || isTypeName(name) ? name : name.charAt(0).toLowerCase() + name.slice(1),
    value,
    ...(part[`_${key}`] === undefined ? {} : { sibling: structuredCopy(part[`_${key}`]) as object }),
    ...(exact === undefined ? {} : { text: exact }),
  };
}

/** Complex types whose value is missing still have their own spelling. */
function isTypeName(name: string): boolean {
  return /^(Address|Age|Annotation|Attachment|CodeableConcept|Coding|ContactPoint|HumanName|Identifier|Meta|Money|Period|Quantity|Range|Ratio|Reference|Timing)$/.test(
    name,
  );
}
