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

export async function searchset(
  services: FhirServices,
  { baseUrl, principal }: Context,
  query: Pick<SearchQuery, 'summary' | 'elements' | 'ignored'>,
  page: Page,
  included: readonly VersionRow[],
  link: readonly { readonly relation: string; readonly url: string }[],
): Promise<Resource> {
  const { summary, elements, ignored } = query;
  const shape: Shape = {
    ...(summary === 'true' || summary === 'text' || summary === 'data' ? { summary } : {}),
    ...(elements === undefined ? {} : { elements }),
  };
  const entryOf = (row: VersionRow, mode: 'match' | 'include', text: JsonText) => {
    const { resourceType, id } = services.opened.header(row);
    const resource = shapeResource(services.definitions, shape, text);
    return { fullUrl: `${baseUrl}/${resourceType}/${id}`, resource, search: { mode } };
  };
  const entry = [];
  for (const [mode, rows] of [
    ['match', page.rows],
    ['include', included],
  ] as const) {
    for (const row of rows) {
      const text = contentOf(services, principal, row);
      entry.push(entryOf(row, mode, text instanceof JsonText ? text : await text));
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
