/**
 * What of a resource type is indexed: the distinct selections of all its parameters, each with the way its values are indexed.
 *
 * Parameters that select the same elements (`code` and `combo-code`, `subject` and `patient`) share one source, and so the same terms.
 */
import type { Selection } from './expression.js';
import type { Parameter, SearchParameters, SearchType } from './parameters.js';
import { termText, type TermSource } from './blind.js';
import { exactly, not, type Bounds } from './bounds.js';
import { isPlainToken } from './implied.js';

/** A selection and how its values are indexed. */
export interface Source {
  /** Identity of its terms: the elements, and the kind of search. */
  readonly key: string;
  readonly searchType: SearchType;
  readonly selection: Selection;
  /** Presence is told for each target type that a parameter asks for, and for any. */
  readonly presence: readonly Presence[];
  /** Absence, not presence, has a term. */
  readonly isUsual: boolean;
  /** Its tokens are codes, booleans and the like. */
  readonly isPlain: boolean;
}

export interface Presence {
  /** undefined: any. */
  readonly targetType: string | undefined;
  readonly text: string;
}

/** Identity of the terms of a selection under a kind of search. */
export function sourceKey(selection: Selection, searchType: SearchType): string {
  return searchType === 'token' ? selection.key : `${selection.key}\u0000${searchType}`;
}

const bySet = new WeakMap<SearchParameters, Map<string, readonly Source[]>>();

/** The sources of a resource type; worked out once. */
export function sourcesOf(parameters: SearchParameters, type: string): readonly Source[] {
  let byType = bySet.get(parameters);
  if (!byType) bySet.set(parameters, (byType = new Map()));
  let sources = byType.get(type);
  if (!sources) byType.set(type, (sources = collect(parameters.parametersOf(type).values())));
  return sources;
}

function collect(parameters: Iterable<Parameter>): readonly Source[] {
  const sources = new Map<string, Source>();
  const add = (searchType: SearchType, selections: readonly Selection[], withPresence: boolean) => {
    for (const selection of selections) {
      const key = sourceKey(selection, searchType);
      const known = sources.get(key);
      const presence = [...(known?.presence ?? [])];
      const { targetType } = selection;
      if (withPresence && !presence.some((one) => one.targetType === targetType)) {
        presence.push({ targetType, text: presenceText(selection, key, targetType) });
      }
      const isPlain = isPlainToken(selection);
      sources.set(key, {
        key,
        searchType,
        selection: known?.selection ?? selection,
        presence,
        isUsual: isUsual(selection),
        isPlain,
      });
    }
  };
  for (const parameter of parameters) {
    add(parameter.type, parameter.selections, true);
    for (const { components } of parameter.composites) {
      for (const component of components) add(component.type, component.selections, false);
    }
  }
  return [...sources.values()];
}

/**
 * Elements that most resources have: a term tells that they are absent, and none that they are present. Part of what an index means: a change
 * here needs a new index.
 */
const usual = new Set([
  'status', 'code', 'subject', 'patient', 'encounter', 'category', 'type', 'class', 'intent', 'use', 'created', 'provider', 'effective',
  'performed', 'issued', 'authoredOn', 'recordedDate', 'clinicalStatus', 'verificationStatus', 'period', 'date', 'onset', 'requester',
  'medication', 'author', 'custodian', 'name', 'active', 'gender', 'birthDate', 'managingOrganization', 'vaccineCode', 'occurrence', 'recorded',
  'claim', 'outcome', 'disposition', 'priority', 'serviceProvider',
]); // prettier-ignore

/** Types whose resources mostly have identifiers. */
const identified = new Set(['Patient', 'Practitioner', 'Organization', 'Location', 'Encounter', 'DocumentReference']);

/** True when absence, not presence, has a term. */
export function isUsual(selection: Selection): boolean {
  const [type, element, deeper] = selection.key.split('.');
  if (deeper !== undefined && !deeper.startsWith('as(')) return false;
  return element === 'identifier' ? identified.has(type) : usual.has(element);
}

/** Text of the term that tells presence (or absence, where presence is usual). */
function presenceText(selection: Selection, key: string, targetType: string | undefined): string {
  return termText(key, isUsual(selection) ? 'a' : 'p', targetType ?? '');
}

/** Resources in which `selection` selects something. */
export function planPresent(blinder: TermSource, selection: Selection, searchType: SearchType): Bounds {
  const text = presenceText(selection, sourceKey(selection, searchType), selection.targetType);
  const term = blinder.term(text);
  const bounds = exactly({ kind: 'term', term });
  return isUsual(selection) ? not(bounds) : bounds;
}
