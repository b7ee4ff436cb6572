/**
 * `Patient/id/$erase`: destroys what is stored of a patient, for good: the whole compartment with its history, keys, salts, blocks, terms.
 *
 * For the operator (the server's own organisation, with `system/*.d`) and for the patient herself (a `patient/*.d` token of hers). Parameter `shared`:
 * what happens to records that are in compartments of other patients too: `erase` (default) or `keep`. Documented in docs/operations.md.
 */
import { fhirError } from '../../base/outcome.js';
import type { Resource } from '../../base/resource.js';
import type { VersionRow } from '../../commit/catalog.js';
import { CompartmentScan, erase, type ErasureServices } from '../../commit/erase.js';
import type { Principal } from '../../consent/gate.js';
import { grantFor } from '../../smart/scopes.js';
import { recordAccess } from '../access-record.js';
import { instanceOf } from '../interactions/interaction.js';
import type { FhirServices } from '../services.js';
import { Input } from '../terminology/operations/parameters.js';
import { unknown } from '../write/targets.js';
import type { Operation } from './operation.js';

/** What the operation needs beside the door's services. */
export interface ErasureParts extends ErasureServices {
  /** Withdraws a patient's Consents from the chain; keys of small state that hold something of her (consent/publisher.ts). */
  forgetConsents(patientId: string, consentIds: readonly string[], timeoutMs: number): Promise<string[]>;
}

/** The chain may be away: the erasure does not wait longer for it. */
const chainTimeoutMs = 10_000;

export function eraseOperation(parts: ErasureParts): Operation {
  return {
    name: 'erase',
    definition: 'urn:mooring:OperationDefinition:erase',
    levels: ['instance'],
    types: ['Patient'],
    isSafe: false,
    async run(services, request, context, place) {
      const { type, id } = instanceOf(place);
      requireEraser(services, context.principal, id);
      const keepsShared = sharedIn(Input.of(request.query, request.body)) === 'keep';
      const compartment = services.names.compartment(id);
      const scan = new CompartmentScan(parts, compartment, id);
      const find = async () => (await scan.read()).filter((row) => !keepsShared || isOnlyIn(row));
      const found = await find();
      if (found.length === 0) throw unknown(type, id);
      await recordAccess(services, context, {
        interaction: 'erase',
        outcome: 'permit',
        entities: [`${type}/${id}`],
        patients: [id],
      });
      const states = await parts.forgetConsents(id, consentsAmong(services, found), chainTimeoutMs);
      const erased = await erase(parts, async () => ({ rows: await find(), compartments: [compartment], states }));
      const parameter = [
        { name: 'resources', valueInteger: erased.resources },
        { name: 'versions', valueInteger: erased.versions },
        ...(erased.leafIndex === undefined ? [] : [{ name: 'tombstone', valueInteger: erased.leafIndex }]),
      ];
      return { status: 200, resource: { resourceType: 'Parameters', parameter } as unknown as Resource };
    },
  };
}

/** @throws FhirError 403 for all but the operator and the patient. */
function requireEraser({ config }: Pick<FhirServices, 'config'>, principal: Principal, patientId: string): void {
  const grant = grantFor(principal.scopes, principal.patient, '*', 'd');
  const isOperator = principal.actor === config.organization && grant.kind === 'all';
  const isPatient = principal.actor === `Patient/${patientId}` && principal.patient === patientId;
  const mayDelete = grant.kind === 'all' || (grant.kind === 'some' && grant.alternatives.some(({ filter }) => !filter));
  if (isOperator || (isPatient && mayDelete)) return;
  throw fhirError(
    403,
    'forbidden',
    'A patient is erased by the operator (system/*.d) or by herself (patient/*.d) alone.',
  );
}

function sharedIn(input: Input): 'erase' | 'keep' {
  const shared = input.text('shared') ?? 'erase';
  if (shared === 'erase' || shared === 'keep') return shared;
  throw fhirError(400, 'invalid', `shared is "${shared.slice(0, 40)}"; expected erase or keep.`);
}

function isOnlyIn(row: VersionRow): boolean {
  return row.keyWraps.length <= 1;
}

function consentsAmong({ records }: Pick<FhirServices, 'records'>, rows: readonly VersionRow[]): string[] {
  const headers = rows.map((row) => records.header(row)).filter(({ resourceType }) => resourceType === 'Consent');
  return [...new Set(headers.map(({ id }) => id))];
}
