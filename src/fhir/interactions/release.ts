/** The last step before something leaves: the decision, and its durable record. */
import type { VersionRow } from '../../commit/catalog.js';
import type { ConsentAction } from '../../consent/gate.js';
import { mayRead } from '../access.js';
import { recordAccess } from '../access-record.js';
import { takeDenied } from '../denials.js';
import type { Context } from '../request.js';
import type { FhirServices } from '../services.js';

export type ReleaseServices = Pick<
  FhirServices,
  'gate' | 'opened' | 'search' | 'extractor' | 'names' | 'definitions' | 'accessLog' | 'clock'
>;

/**
 * Decides on one version; resolves when the record of the access (or refusal) is durable.
 * @param action `disclose` where the version is passed on to others (export, sharing).
 */
export async function release(
  services: ReleaseServices,
  context: Context,
  interaction: string,
  row: VersionRow,
  action: ConsentAction = 'access',
): Promise<boolean> {
  const { permit, recorded } = await beginRelease(services, context, interaction, row, action);
  await recorded;
  return permit;
}

/** A decision whose record is on its way: nothing that follows from it may leave before `recorded`. */
export interface Release {
  readonly permit: boolean;
  readonly recorded: Promise<void>;
}

/** Decides on one version and begins to write that down; the answer is made with `onceRecorded`. */
export async function beginRelease(
  services: ReleaseServices,
  context: Context,
  interaction: string,
  row: VersionRow,
  action: ConsentAction = 'access',
): Promise<Release> {
  const decision = mayRead(services, context.principal, 'r', row, action);
  const permit = typeof decision === 'boolean' ? decision : await decision;
  return { permit, recorded: recordRelease(services, context, interaction, permit ? 'permit' : 'deny', [row]) };
}

/**
 * What `make` yields or throws, not before `recorded`: contents are fetched and opened while their record becomes durable, and nothing leaves
 * before it is.
 * @throws what `recorded` rejects with, first of all.
 */
export async function onceRecorded<T>(recorded: Promise<void>, make: () => T | Promise<T>): Promise<T> {
  // Awaited below: a failure meanwhile is no unhandled rejection.
  recorded.catch(() => undefined);
  try {
    return await make();
  } finally {
    await recorded;
  }
}

/** Names in one record at most. */
const mostEntities = 1_000;

/** Writes down what leaves (or is refused), and what was left out on the way (denials.ts); resolves when that is durable. */
export async function recordRelease(
  services: Pick<FhirServices, 'accessLog' | 'clock' | 'opened'>,
  context: Context,
  interaction: string,
  outcome: 'permit' | 'deny',
  rows: readonly VersionRow[],
): Promise<void> {
  const denied = takeDenied(context);
  if (denied.length === 0) return recordRows(services, context, interaction, outcome, rows);
  const records = [recordRows(services, context, interaction, outcome, rows)];
  for (let at = 0; at < denied.length; at += mostEntities) {
    records.push(recordRows(services, context, interaction, 'deny', denied.slice(at, at + mostEntities)));
  }
  await Promise.all(records);
}

function recordRows(
  services: Pick<FhirServices, 'accessLog' | 'clock' | 'opened'>,
  context: Context,
  interaction: string,
  outcome: 'permit' | 'deny',
  rows: readonly VersionRow[],
): Promise<void> {
  const entities: string[] = [];
  const patients = new Set<string>();
  for (const row of rows) {
    const { resourceType, id, versionId, attributes } = services.opened.header(row);
    entities.push(`${resourceType}/${id}/_history/${versionId}`);
    for (const patient of attributes.patients) patients.add(patient);
  }
  return recordAccess(services, context, { interaction, outcome, entities, patients: [...patients] });
}
