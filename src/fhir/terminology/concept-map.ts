/**
 * What a ConceptMap says of a code: pure, without looking anything up.
 *
 * Spec: https://hl7.org/fhir/R4/conceptmap.html, https://hl7.org/fhir/R4/conceptmap-operation-translate.html
 */
import type { Coding } from '../../base/resource.js';

/** A ConceptMap as far as translations go by it. */
export interface ConceptMap {
  readonly url?: string;
  readonly version?: string;
  readonly sourceUri?: string;
  readonly sourceCanonical?: string;
  readonly targetUri?: string;
  readonly targetCanonical?: string;
  readonly group?: readonly ConceptMapGroup[];
}

interface ConceptMapGroup {
  readonly source?: string;
  readonly sourceVersion?: string;
  readonly target?: string;
  readonly targetVersion?: string;
  readonly element?: readonly ConceptMapElement[];
  readonly unmapped?: {
    readonly mode: 'provided' | 'fixed' | 'other-map';
    readonly code?: string;
    readonly display?: string;
    readonly url?: string;
  };
}

interface ConceptMapElement {
  readonly code?: string;
  readonly display?: string;
  readonly target?: readonly ConceptMapTarget[];
}

interface ConceptMapTarget {
  readonly code?: string;
  readonly display?: string;
  readonly equivalence: string;
  readonly dependsOn?: readonly Property[];
  readonly product?: readonly Property[];
}

/** A value of another element, which a mapping depends on or produces. */
interface Property {
  readonly property: string;
  readonly system?: string;
  readonly value: string;
  readonly display?: string;
}

/** What is to be translated. */
export interface Question {
  readonly coding: Coding & { readonly code: string };
  /** Code system that is wanted; absent: any. */
  readonly targetSystem?: string;
  /** Values of other elements, by the URI of the element. */
  readonly dependencies: readonly { readonly element: string; readonly codings: readonly Coding[] }[];
  /** From target to source. */
  readonly isReverse: boolean;
}

export interface Match {
  readonly equivalence: string;
  /** Absent: there is no such concept (`unmatched`). */
  readonly concept?: Coding;
  readonly products: readonly { readonly element: string; readonly concept: Coding }[];
}

/** `otherMaps`: URLs of the maps that this one passes the code on to. */
export interface Answer {
  readonly matches: readonly Match[];
  readonly otherMaps: readonly string[];
}

/** Translations by one map, in the order in which it states them. */
export function translateBy(map: ConceptMap, question: Question): Answer {
  const groups = (map.group ?? []).filter((group) => isAbout(group, question));
  const answers = groups.map((group) => (question.isReverse ? backward(group, question) : forward(group, question)));
  return {
    matches: answers.flatMap(({ matches }) => matches),
    otherMaps: answers.flatMap(({ otherMaps }) => otherMaps),
  };
}

/** Whether one of several matches is a translation. */
export function isTranslated(matches: readonly Match[]): boolean {
  return matches.some(({ equivalence }) => equivalence !== 'unmatched' && equivalence !== 'disjoint');
}

function isAbout(group: ConceptMapGroup, { coding, targetSystem, isReverse }: Question): boolean {
  const [from, to] = isReverse ? [group.target, group.source] : [group.source, group.target];
  const version = isReverse ? group.targetVersion : group.sourceVersion;
  if (coding.system !== undefined && from !== coding.system) return false;
  if (coding.version !== undefined && version !== undefined && version !== coding.version) return false;
  return targetSystem === undefined || to === targetSystem;
}

function forward(group: ConceptMapGroup, question: Question): Answer {
  const elements = (group.element ?? []).filter(({ code }) => code === question.coding.code);
  if (elements.length === 0) return unmapped(group, question.coding);
  const matches = elements.flatMap(({ target = [] }) =>
    target.filter((one) => holds(one, question)).map((one) => matchOf(group, one)),
  );
  return { matches, otherMaps: [] };
}

function matchOf(group: ConceptMapGroup, { code, display, equivalence, product = [] }: ConceptMapTarget): Match {
  return {
    equivalence,
    ...(code === undefined ? {} : { concept: codingOf(group.target, group.targetVersion, code, display) }),
    products: product.map(({ property, system, value, display }) => ({
      element: property,
      concept: codingOf(system, undefined, value, display),
    })),
  };
}

/** A target that depends on other elements counts only where those are known to have the values. */
function holds({ dependsOn = [] }: ConceptMapTarget, { dependencies }: Question): boolean {
  return dependsOn.every(({ property, system, value }) =>
    dependencies.some(
      ({ element, codings }) =>
        element === property &&
        codings.some((coding) => coding.code === value && (system === undefined || coding.system === system)),
    ),
  );
}

function unmapped({ unmapped: rule, target, targetVersion }: ConceptMapGroup, { code, display }: Coding): Answer {
  const none: Answer = { matches: [], otherMaps: [] };
  switch (rule?.mode) {
    case 'provided':
      return found('equal', codingOf(target, targetVersion, code, display));
    case 'fixed':
      return found('inexact', codingOf(target, targetVersion, rule.code, rule.display));
    case 'other-map':
      return { ...none, otherMaps: rule.url === undefined ? [] : [rule.url] };
    case undefined:
    default:
      return none;
  }
}

function found(equivalence: string, concept: Coding): Answer {
  return { matches: [{ equivalence, concept, products: [] }], otherMaps: [] };
}

/** Seen from the other side, what is wider is narrower. */
const reversed: Readonly<Record<string, string>> = {
  wider: 'narrower',
  narrower: 'wider',
  subsumes: 'specializes',
  specializes: 'subsumes',
};

function backward({ element = [], source, sourceVersion }: ConceptMapGroup, question: Question): Answer {
  const matches = element.flatMap(({ code, display, target = [] }) =>
    target
      .filter((one) => one.code === question.coding.code && holds(one, question))
      .map(({ equivalence }) => ({
        equivalence: reversed[equivalence] ?? equivalence,
        concept: codingOf(source, sourceVersion, code, display),
        products: [],
      })),
  );
  return { matches, otherMaps: [] };
}

function codingOf(system?: string, version?: string, code?: string, display?: string): Coding {
  const all = { system, version, code, display };
  return Object.fromEntries(Object.entries(all).filter(([, value]) => value !== undefined)) as Coding;
}
