/**
 * `$expunge`: destroys deleted resources and superseded versions for good, cryptographically (commit/erase.ts): keys, salts, blocks, terms.
 *
 * As HAPI defines it: at system, type, instance and version level, with expungeDeletedResources, expungePreviousVersions and limit. For the
 * operator alone. Whole patients are erased by `$erase`. Of Consents nothing goes: what somebody permitted, and when, is what every release stands on.
 */
import { fhirError } from '../../base/outcome.js';
import type { Resource } from '../../base/resource.js';
import type { HistoryRequest, VersionRow } from '../../commit/catalog.js';
import { erase, type ErasureServices } from '../../commit/erase.js';
import type { Principal } from '../../consent/gate.js';
import { rolesOf } from '../../smart/roles.js';
import { grantFor } from '../../smart/scopes.js';
import { recordAccess } from '../access-record.js';
import { instanceOf, type PathParameters } from '../interactions/interaction.js';
import { Slices } from '../../base/pause.js';
import type { FhirServices } from '../services.js';
import { Input } from '../terminology/operations/parameters.js';
import { unknown } from '../write/targets.js';
import type { Operation } from './operation.js';

/** Versions that one call destroys when it does not say, and at most. */
const usualLimit = 1_000;
const greatestLimit = 10_000;
const pageSize = 500;

/** The type whose history is never deleted. */
const kept = 'Consent';

function keepsHistory() {
  const diagnostics = 'The history of a Consent is never deleted. It goes only with its patient, by Patient/id/$erase.';
  return fhirError(422, 'business-rule', diagnostics);
}

interface Wanted {
  readonly deleted: boolean;
  readonly previous: boolean;
  readonly limit: number;
}

export function expungeOperation(parts: ErasureServices): Operation {
  return {
    name: 'expunge',
    definition: 'urn:mooring:OperationDefinition:expunge',
    levels: ['system', 'type', 'instance', 'version'],
    isSafe: false,
    async run(services, request, context, place) {
      requireOperator(services, context.principal);
      if (place.type === kept) throw keepsHistory();
      const wanted = wantedOf(Input.of(request.query, request.body), place);
      const choose = async () => ({ rows: await chosen(services, place, wanted), compartments: [], states: [] });
      const { rows } = await choose();
      const headers = rows.map((row) => services.opened.header(row));
      await recordAccess(services, context, {
        interaction: 'expunge',
        outcome: 'permit',
        entities: headers.map(({ resourceType, id, versionId }) => `${resourceType}/${id}/_history/${versionId}`),
        patients: [...new Set(headers.flatMap(({ attributes }) => attributes.patients))],
      });
      const { versions } = rows.length === 0 ? { versions: 0 } : await erase(parts, choose);
      const parameter = [{ name: 'count', valueInteger: versions }];
      return { status: 200, resource: { resourceType: 'Parameters', parameter } as unknown as Resource };
    },
  };
}

/** @throws FhirError 403 for all but operators with `system/*.d` (or `user/*.d`). */
function requireOperator({ config }: Pick<FhirServices, 'config'>, principal: Principal): void {
  const grant = grantFor(principal.scopes, principal.patient, '*', 'd');
  if (rolesOf(principal, config.organization).includes('operator') && grant.kind === 'all') return;
  throw fhirError(403, 'forbidden', 'What is deleted is expunged by the operator (system/*.d) alone.');
}

/** @throws FhirError 400 when it does not say what is to go. */
function wantedOf(input: Input, { versionId }: PathParameters): Wanted {
  if (input.boolean('expungeEverything') === true) {
    throw fhirError(
      400,
      'not-supported',
      'expungeEverything is not offered; a patient is erased by Patient/id/$erase.',
    );
  }
  const deleted = input.boolean('expungeDeletedResources') ?? false;
  const previous = input.boolean('expungePreviousVersions') ?? false;
  if (!deleted && !previous && versionId === undefined) {
    const diagnostics = 'Say what is to go: expungeDeletedResources or expungePreviousVersions.';
    throw fhirError(400, 'required', diagnostics);
  }
  const limit = input.count('limit') ?? usualLimit;
  if (limit < 1) throw fhirError(400, 'invalid', 'limit is expected to be 1 or more.');
  return { deleted, previous, limit: Math.min(limit, greatestLimit) };
}

/** The versions that go, by the present state; the present version of what is there is never among them. */
async function chosen(services: FhirServices, place: PathParameters, wanted: Wanted): Promise<VersionRow[]> {
  if (place.versionId !== undefined) return [await oneVersion(services, place)];
  if (place.id !== undefined) {
    const { type, id } = instanceOf(place);
    const resource = services.names.resource(type, id);
    if ((await services.catalog.current(resource, services.catalog.head().seq)) === undefined) throw unknown(type, id);
    return scan(services, { resource }, wanted);
  }
  return scan(services, place.type === undefined ? {} : { type: services.names.type(place.type) }, wanted);
}

async function oneVersion({ catalog, names }: FhirServices, place: PathParameters): Promise<VersionRow> {
  const { type, id } = instanceOf(place);
  const row = await catalog.version(names.resource(type, id), Number(place.versionId) || 0);
  if (row === undefined) throw unknown(type, `${id}/_history/${place.versionId}`);
  const current = await catalog.current(row.resource, catalog.head().seq);
  if (current?.leafIndex === row.leafIndex && !row.isDeleted) {
    throw fhirError(409, 'conflict', `${type}/${id} is in this version now; delete or change it first.`);
  }
  return row;
}

async function scan(
  { catalog, opened }: FhirServices,
  scope: Pick<HistoryRequest, 'resource' | 'type'>,
  { deleted, previous, limit }: Wanted,
): Promise<VersionRow[]> {
  const slices = new Slices();
  const asOf = catalog.head().seq;
  const rows: VersionRow[] = [];
  let before: number | undefined;
  for (;;) {
    const page = await catalog.history({
      ...scope,
      asOf,
      ...(before === undefined ? {} : { before }),
      limit: pageSize,
    });
    for (const row of page) {
      if (opened.header(row).resourceType === kept) continue;
      const current = await catalog.current(row.resource, asOf);
      const isCurrent = current?.leafIndex === row.leafIndex;
      if (isCurrent ? deleted && row.isDeleted : previous || (deleted && current?.isDeleted === true)) rows.push(row);
      if (rows.length >= limit) return rows;
      await slices.turn();
    }
    if (page.length < pageSize) return rows;
    before = page[page.length - 1].leafIndex;
  }
}
