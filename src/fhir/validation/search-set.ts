/** Search results and the links of Bundles. Spec: https://hl7.org/fhir/R4/bundle.html#searchset */
import type { Resource } from '../../base/resource.js';
import type { Entry } from './bundle-references.js';
import type { Run } from './run.js';

interface Link {
  readonly relation?: unknown;
  readonly url?: unknown;
}

const paging = new Set(['first', 'previous', 'next', 'last']);

/** Paging links belong to searches and histories; none of them, and no `self`, stands twice. */
export function checkLinks(run: Run, bundle: Resource, type: string, path: string): void {
  const links = linksOf(bundle);
  const isPaged = type === 'searchset' || type === 'history';
  links.forEach(({ relation }, at) => {
    if (typeof relation !== 'string') return;
    const isPaging = paging.has(relation);
    if (!isPaging && relation !== 'self') return;
    if (isPaging && !isPaged) {
      run.error(
        'invalid',
        'bundle-link',
        `${path}.link[${at}].relation`,
        `a ${type} has no pages, so no link "${relation}"`,
      );
    } else if (links.findIndex((link) => link.relation === relation) < at) {
      run.error('invalid', 'bundle-link', `${path}.link[${at}]`, `a second link "${relation}"; expected one at most`);
    }
  });
}

/** Matches and includes have ids, matches the types that were searched for, outcomes are OperationOutcomes. */
export function checkSearchSet(run: Run, bundle: Resource, entries: readonly Entry[], path: string): void {
  const types = searchedTypes(run, bundle);
  const someHaveMode = entries.some(({ search }) => search?.mode !== undefined);
  entries.forEach(({ resource, search }, at) => {
    const entryPath = `${path}.entry[${at}]`;
    if (typeof resource !== 'object' || resource === null) {
      run.error('required', 'search-resource', entryPath, 'an entry of a search result has no resource');
      return;
    }
    const resourcePath = `${entryPath}.resource`;
    const mode = search?.mode;
    if (!someHaveMode || mode === undefined) return;
    if (mode === 'match' || mode === 'include') {
      if (resource.id === undefined)
        run.error('required', 'search-id', resourcePath, `a ${mode} has no id; expected one`);
      if (mode === 'match' && types.length > 0 && !types.includes(resource.resourceType)) {
        const text = `a ${resource.resourceType} is a match; the search was for ${types.join(', ')}`;
        run.error('invalid', 'search-type', resourcePath, text);
      }
    } else if (resource.resourceType !== 'OperationOutcome') {
      run.error(
        'invalid',
        'search-outcome',
        resourcePath,
        `an outcome is a ${resource.resourceType}; expected an OperationOutcome`,
      );
    }
  });
}

function linksOf(bundle: Resource): Link[] {
  const links = (bundle as { link?: unknown }).link;
  return (Array.isArray(links) ? links : []).filter((link): link is Link => typeof link === 'object' && link !== null);
}

/** The types that the `self` link searched for; empty when it does not say. */
function searchedTypes(run: Run, bundle: Resource): string[] {
  const self = linksOf(bundle).find(({ relation }) => relation === 'self')?.url;
  if (typeof self !== 'string') return [];
  const [address, query = ''] = self.split('?', 2);
  const last = address.slice(address.lastIndexOf('/') + 1);
  if (run.engine.definitions.resourceTypes.has(last)) return [last];
  const parameter = query.split('&').find((part) => part.startsWith('_type='));
  return parameter === undefined ? [] : parameter.slice(6).split(',');
}
