/**
 * `$everything` of a Patient or an Encounter: its compartment and what that refers to, page by page.
 *
 * Spec: https://hl7.org/fhir/R4/patient-operation-everything.html, https://hl7.org/fhir/R4/encounter-operation-everything.html
 */
import { fhirError } from '../../base/outcome.js';
import type { VersionRow } from '../../commit/catalog.js';
import { hasScope, requireScope } from '../access.js';
import { cursorParameter } from '../interactions/cursors.js';
import { included } from '../interactions/include.js';
import { readInstant } from '../interactions/instant.js';
import { instanceOf, type Interaction } from '../interactions/interaction.js';
import { seenAttributes } from '../interactions/partial-match.js';
import { beginRelease, onceRecorded, recordRelease } from '../interactions/release.js';
import { findPage, type PagePosition, type PageQuery } from '../interactions/search-page.js';
import { searchset } from '../interactions/searchset.js';
import type { Context, FhirRequest, FhirResponse } from '../request.js';
import type { FhirServices } from '../services.js';
import { compartmentPlan } from '../search/compartment.js';
import type { Plan } from '../search/plan.js';
import { readSort } from '../search/sort.js';
import { Input } from '../terminology/operations/parameters.js';
import { unknown } from '../write/targets.js';
import type { Operation } from './operation.js';

/** What was asked for; travels in the cursor. */
interface Wanted {
  /** Of the care dates, [from, until) in milliseconds since 1970. */
  readonly from?: number;
  readonly until?: number;
  readonly since?: number;
  readonly types?: readonly string[];
  readonly count: number;
}

type Position = PagePosition & { readonly wanted: Wanted };

const everything: Interaction = async (services, request, context, parameters) => {
  const { type, id } = instanceOf(parameters);
  requireScope(context.principal, type, 'r');
  const subject = await services.catalog.current(services.names.resource(type, id), services.catalog.head().seq);
  if (subject === undefined) throw unknown(type, id);
  const { permit, recorded } = await beginRelease(services, context, 'everything', subject);
  return onceRecorded(recorded, () => {
    if (!permit) throw unknown(type, id);
    if (subject.isDeleted) throw fhirError(410, 'deleted', `${type}/${id} is deleted.`);
    return pageOf(services, request, context, { type, id });
  });
};

/** One page of what the principal may see of the compartment of `type/id`. */
async function pageOf(
  services: FhirServices,
  request: FhirRequest,
  context: Context,
  { type, id }: { readonly type: string; readonly id: string },
): Promise<FhirResponse> {
  const path = `${type}/${id}/$everything`;
  const input = Input.of(request.query, request.body);
  const cursor = input.text(cursorParameter);
  const resumed = cursor === undefined ? undefined : services.cursors.open<Position>(cursor, path);
  const wanted = resumed?.wanted ?? wantedOf(services, input);
  const asOf = resumed?.asOf ?? services.catalog.head().seq;
  const query = queryOf(services, context, { type, id }, wanted);
  const page = await findPage(services, context, query, wanted.count, asOf, resumed);
  const rows = page.rows.filter((row) => hasScope(context.principal, services.opened.header(row).resourceType, 'r'));
  const extra = wanted.types === undefined ? await included(services, context, whatItRefersTo, rows, asOf, query) : [];
  const recorded = recordRelease(services, context, 'everything', 'permit', [...rows, ...extra]);
  const url = `${context.baseUrl}/${path}`;
  const at = (position: PagePosition) =>
    `${url}?${cursorParameter}=${services.cursors.seal({ ...position, wanted } satisfies Position, path)}`;
  const link = [
    { relation: 'self', url },
    ...(page.next === undefined ? [] : [{ relation: 'next', url: at(page.next) }]),
  ];
  const make = () => searchset(services, context, { ignored: [] }, { ...page, rows }, extra, link);
  return { status: 200, resource: await onceRecorded(recorded, make) };
}

/** References of any parameter, one step: what is in the compartment itself has its own page. */
const whatItRefersTo = {
  includes: [{ source: '*', parameter: '*', iterate: false, links: [] }],
  revincludes: [],
} as const;

function wantedOf({ config, definitions }: FhirServices, input: Input): Wanted {
  const [start, end, since] = [input.text('start'), input.text('end'), input.text('_since')];
  const types = input.texts('_type').flatMap((text) => text.split(','));
  const odd = types.find((type) => !definitions.resourceTypes.has(type));
  if (odd !== undefined) throw fhirError(400, 'invalid', `_type is "${odd.slice(0, 64)}"; expected resource types.`);
  return {
    ...(start === undefined ? {} : { from: readInstant('start', start)[0] }),
    ...(end === undefined ? {} : { until: readInstant('end', end)[1] }),
    ...(since === undefined ? {} : { since: readInstant('_since', since)[0] }),
    ...(types.length === 0 ? {} : { types }),
    count: Math.min(Math.max(input.count('_count') ?? config.maxCount, 1), config.maxCount),
  };
}

function queryOf(
  services: FhirServices,
  { principal }: Context,
  { type, id }: { readonly type: string; readonly id: string },
  { from, until, since, types }: Wanted,
): PageQuery {
  const compartment = compartmentPlan(services.search, type, id, types);
  const plan: Plan =
    since === undefined
      ? compartment
      : { kind: 'and', of: [compartment, { kind: 'updated', from: since, until: Number.MAX_SAFE_INTEGER }] };
  const accepts = async (row: VersionRow) => {
    const { dataPeriod } = await seenAttributes(services, principal, row);
    if (dataPeriod === undefined) return true;
    return (from === undefined || dataPeriod[1] > from) && (until === undefined || dataPeriod[0] < until);
  };
  // In the order of writing the patient comes first, as a rule.
  const sort = readSort(services.search, undefined, '_lastUpdated');
  return { plan, sort, ...(from === undefined && until === undefined ? {} : { accepts }) };
}

export const everythingOperation: Operation = {
  name: 'everything',
  definition: 'http://hl7.org/fhir/OperationDefinition/Patient-everything',
  levels: ['instance'],
  types: ['Patient', 'Encounter'],
  isSafe: true,
  run: everything,
};
