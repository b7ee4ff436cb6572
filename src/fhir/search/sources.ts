/**
 * What of a resource type is indexed: the distinct selections of all its parameters, each with the way its values are indexed.
 *
 * Parameters that select the same elements (`code` and `combo-code`, `subject` and `patient`) share one source, and so the same terms.
 */
import type { Selection } from './expression.js';
import type { Parameter, SearchParameters, SearchType } from './parameters.js';
import { termText, type TermSource } from './blind.js';
import { exactly, not, type Bounds } from './bounds.js';

/** A selection and how its values are indexed. */
export interface Source {
  /** Identity of its terms: the elements, and the kind of search. */
  readonly key: string;
  readonly searchType: SearchType;
  readonly selection: Selection;
  /** Target types that parameters ask for: presence is told for each (undefined: for any). */
  readonly presence: readonly (string | undefined)[];
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
  if (!sources) byType.set(type, (sources = [...collect(parameters.parametersOf(type).values())]));
  return sources;
}

function collect(parameters: Iterable<Parameter>): Iterable<Source> {
  const sources = new Map<string, Source>();
  const add = (searchType: SearchType, selections: readonly Selection[], withPresence: boolean) => {
    for (const selection of selections) {
      const key = sourceKey(selection, searchType);
      const known = sources.get(key);
      const presence = withPresence ? [...(known?.presence ?? []), selection.targetType] : (known?.presence ?? []);
      const plain = known?.selection ?? selection;
      sources.set(key, { key, searchType, selection: plain, presence: [...new Set(presence)] });
    }
  };
  for (const parameter of parameters) {
    add(parameter.type, parameter.selections, true);
    for (const { components } of parameter.composites) {
      for (const component of components) add(component.type, component.selections, false);
    }
  }
  return sources.values();
}

/**
 * Elements that most resources have: a term tells that they are absent, and none that they are present. Part of what an index means: a change
 * here needs a new index.
 */
const usual = new Set([
  'status', 'code', 'subject', 'patient', 'encounter', 'category', 'type', 'class', 'intent', 'use', 'created', 'provider', 'insurer',
  'effective', 'performed', 'issued', 'authoredOn', 'recordedDate', 'clinicalStatus', 'verificationStatus', 'period', 'date', 'onset',
  'requester', 'medication', 'content', 'author', 'custodian', 'identifier', 'name', 'active', 'gender', 'birthDate', 'address', 'telecom',
  'managingOrganization', 'vaccineCode', 'occurrence', 'recorded', 'item', 'claim', 'outcome', 'disposition', 'careTeam', 'insurance', 'result',
]); // prettier-ignore

/** True when absence, not presence, has a term. */
export function isUsual(selection: Selection): boolean {
  const [, first] = selection.key.split('.', 2);
  return first !== undefined && usual.has(first) && !selection.key.startsWith('Resource.');
}

/** Text of the term that tells presence (or absence, where presence is usual). */
export function presenceText(selection: Selection, key: string, targetType: string | undefined): string {
  return termText(key, isUsual(selection) ? 'a' : 'p', targetType ?? '');
}

/** Resources in which `selection` selects something. */
export function planPresent(blinder: TermSource, selection: Selection, searchType: SearchType): Bounds {
  const text = presenceText(selection, sourceKey(selection, searchType), selection.targetType);
  const told = exactly({ kind: 'term', term: blinder.term(text) });
  return isUsual(selection) ? not(told) : told;
}
