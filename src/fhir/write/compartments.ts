/** Patients whom a resource is about although R4 puts it into no compartment: consent covers it as it covers their records. */
import type { Resource } from '../../base/resource.js';
import { patientsOf } from '../search/compartment.js';
import type { FhirServices } from '../services.js';
import type { Facts } from './facts.js';

/**
 * Ids of the patients behind a Binary (its `securityContext`) or a Bundle (those of its entries); undefined for what says nothing of the kind.
 *
 * Spec: https://hl7.org/fhir/R4/binary.html#security
 */
export async function patientsWithin(
  services: Pick<FhirServices, 'names' | 'opened' | 'search'>,
  facts: Facts,
  resource: Resource,
): Promise<readonly string[] | undefined> {
  if (resource.resourceType === 'Binary') return securityContextPatients(services, facts, resource);
  if (resource.resourceType === 'Bundle') return entryPatients(services, resource);
  return undefined;
}

async function securityContextPatients(
  { names, opened }: Pick<FhirServices, 'names' | 'opened'>,
  facts: Facts,
  { securityContext }: Resource,
): Promise<readonly string[] | undefined> {
  const { reference } = (securityContext ?? {}) as { reference?: unknown };
  const [, type, id] = /^([A-Za-z]+)\/([A-Za-z0-9\-.]{1,64})$/.exec(String(reference)) ?? [];
  if (type === undefined) return undefined;
  if (type === 'Patient') return [id];
  const row = await facts.existing(names.resource(type, id));
  return row === undefined ? undefined : opened.header(row).attributes.patients;
}

/** A Bundle holds copies: who may not see the originals may not see them. */
function entryPatients({ search }: Pick<FhirServices, 'search'>, { entry }: Resource): readonly string[] | undefined {
  if (!Array.isArray(entry)) return undefined;
  const patients = (entry as { resource?: Resource }[]).flatMap(({ resource }) =>
    typeof resource?.resourceType === 'string' ? patientsOf(search.parameters, resource) : [],
  );
  return patients.length === 0 ? undefined : [...new Set(patients)].sort();
}
