/** A code system of which something is known here: from a CodeSystem resource, a registry or a grammar. */
import type { CodeSystemConcept } from '../definitions/types.js';
import type { Membership } from './verdict.js';

/** One concept, placed in the hierarchy of its system. */
export interface Concept {
  readonly code: string;
  readonly display?: string;
  /** The concept as its CodeSystem has it: definition, designations, properties. */
  readonly source: CodeSystemConcept;
  /** Direct ones; by nesting or by `parent`, `subsumedBy` and `child` properties. */
  readonly parents: readonly Concept[];
  readonly children: readonly Concept[];
  /** Not selectable: only groups others. */
  readonly isAbstract: boolean;
  /** Retired, deprecated or inactive. */
  readonly isInactive: boolean;
}

export interface KnownSystem {
  readonly url: string;
  readonly version?: string;
  readonly name?: string;
  /** `fragment`: a code that is not listed may exist all the same. */
  readonly status: 'complete' | 'fragment';
  readonly isCaseSensitive: boolean;
  /** Is it a code of this system? */
  contains(code: string): Membership;
  /** The concept of a code, in the system's own spelling. */
  find(code: string): Concept | undefined;
  /** All concepts, parents before children; undefined when they cannot be listed (a grammar). */
  concepts(): readonly Concept[] | undefined;
  /** Why `contains` said no, when there is more to say than that it is not listed. */
  explain?(code: string): string | undefined;
  /** Filters that only this system understands: the answer, or undefined when it does not know them either. */
  filter?(code: string, property: string, op: string, value: string): Membership | undefined;
}

/** A concept without hierarchy, as registries have them. */
export function plainConcept(code: string, display?: string): Concept {
  return { code, display, source: { code, display }, parents: [], children: [], isAbstract: false, isInactive: false };
}

/** A complete system whose concepts are a flat list, read when it is first asked. */
export function listedSystem(
  url: string,
  name: string,
  isCaseSensitive: boolean,
  load: () => Iterable<readonly [code: string, display: string]>,
): KnownSystem {
  let byCode: Map<string, Concept> | undefined;
  let list: readonly Concept[] | undefined;
  const keyOf = (code: string) => (isCaseSensitive ? code : code.toLowerCase());
  const index = () => {
    if (!byCode) {
      byCode = new Map();
      for (const [code, display] of load()) byCode.set(keyOf(code), plainConcept(code, display));
    }
    return byCode;
  };
  return {
    url,
    name,
    status: 'complete',
    isCaseSensitive,
    contains: (code) => (index().has(keyOf(code)) ? 'in' : 'out'),
    find: (code) => index().get(keyOf(code)),
    concepts: () => (list ??= [...index().values()]),
  };
}
