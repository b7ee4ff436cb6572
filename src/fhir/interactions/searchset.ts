/** The Bundle that answers a search. Spec: https://hl7.org/fhir/R4/bundle.html#searchset */
import type { Resource } from '../../base/resource.js';
import type { VersionRow } from '../../commit/catalog.js';
import { highWaterMark } from '../bundle/high-water.js';
import { JsonText } from '../json-text.js';
import { outcomeOf } from '../outcome.js';
import type { Context } from '../request.js';
import type { SearchQuery } from '../search/query.js';
import type { FhirServices } from '../services.js';
import { shapeResource, type Shape } from '../summary/shape.js';
import { contentOf } from '../visible-content.js';
import type { Page } from './search-page.js';

/** Shared by all entries, and never changed: its text is made once. */
const searchOf = { match: Object.freeze({ mode: 'match' }), include: Object.freeze({ mode: 'include' }) } as const;

export async function searchset(
  services: FhirServices,
  { baseUrl, principal }: Context,
  query: Pick<SearchQuery, 'summary' | 'elements' | 'ignored' | 'answers'>,
  page: Page,
  included: readonly VersionRow[],
  link: readonly { readonly relation: string; readonly url: string }[],
): Promise<Resource> {
  const { summary, elements, ignored, answers } = query;
  const shape: Shape = {
    ...(summary === 'true' || summary === 'text' || summary === 'data' ? { summary } : {}),
    ...(elements === undefined ? {} : { elements }),
  };
  const entryOf = (row: VersionRow, mode: 'match' | 'include', text: JsonText) => {
    const { resourceType, id } = services.opened.header(row);
    const resource = shapeResource(services.definitions, shape, text);
    return { fullUrl: `${baseUrl}/${resourceType}/${id}`, resource, search: searchOf[mode] };
  };
  /** Contained resources are named by their container and their id in it. */
  const insideOf = (row: VersionRow, resources: readonly Resource[]) => {
    const { resourceType, id } = services.opened.header(row);
    const url = `${baseUrl}/${resourceType}/${id}`;
    return resources.map((one) => ({
      fullUrl: one.id === id && one.resourceType === resourceType ? url : `${url}#${one.id}`,
      resource: shapeResource(services.definitions, shape, one),
      search: searchOf.match,
    }));
  };
  const entry = [];
  for (const [mode, rows] of [
    ['match', page.rows],
    ['include', included],
  ] as const) {
    for (const row of rows) {
      const text = contentOf(services, principal, row);
      const content = text instanceof JsonText ? text : await text;
      if (mode === 'match' && answers !== undefined) entry.push(...insideOf(row, answers(content.value())));
      else entry.push(entryOf(row, mode, content));
    }
  }
  const labels = [...page.rows, ...included].map((row) => services.opened.header(row).attributes.securityLabels);
  const meta = highWaterMark(labels);
  const notes = ignored.length === 0 ? [] : [{ resource: outcomeOf(ignored), search: { mode: 'outcome' } }];
  const all = [...entry, ...notes];
  return {
    resourceType: 'Bundle',
    ...(meta === undefined ? {} : { meta }),
    type: 'searchset',
    ...(page.total === undefined ? {} : { total: page.total }),
    link,
    ...(all.length > 0 ? { entry: all } : {}),
  };
}
