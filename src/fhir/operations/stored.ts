/** Stored resources that an operation works on: found by name or reference, as far as the principal may see them. */
import { fhirError } from '../../base/outcome.js';
import type { Resource } from '../../base/resource.js';
import type { VersionRow } from '../../commit/catalog.js';
import { mayRead, requireScope } from '../access.js';
import { highWaterMark } from '../bundle/high-water.js';
import { instanceOf, type PathParameters } from '../interactions/interaction.js';
import { release } from '../interactions/release.js';
import type { Context } from '../request.js';
import { localTarget } from '../search/reference.js';
import type { FhirServices } from '../services.js';
import { contentOf } from '../visible-content.js';
import { unknown } from '../write/targets.js';

/**
 * The present version of the instance that an operation was called on, released and written down as an access.
 * @throws FhirError 403 without a scope, 404 when it is unknown or hidden, 410 when it is deleted.
 */
export async function subjectOf(
  services: FhirServices,
  context: Context,
  parameters: PathParameters,
  interaction: string,
): Promise<VersionRow> {
  const { type, id } = instanceOf(parameters);
  requireScope(context.principal, type, 'r');
  const row = await services.catalog.current(services.names.resource(type, id), services.catalog.head().seq);
  if (row === undefined || !(await release(services, context, interaction, row))) throw unknown(type, id);
  if (row.isDeleted) throw fhirError(410, 'deleted', `${type}/${id} is deleted.`);
  return row;
}

/**
 * What a literal reference leads to as of one log entry; undefined when it is not here, deleted, or may not be seen.
 * The caller writes down what it releases.
 */
export async function referencedRow(
  services: FhirServices,
  { principal, baseUrl }: Context,
  reference: string,
  asOf: number,
): Promise<VersionRow | undefined> {
  const target = localTarget(reference.replace(/#.*$/, ''), baseUrl);
  if (target === undefined) return undefined;
  const name = services.names.resource(target.type, target.id);
  const row =
    target.version === undefined
      ? await services.catalog.current(name, asOf)
      : await services.catalog.version(name, Number(target.version) || 0);
  if (row === undefined || row.isDeleted || !(await mayRead(services, principal, 'r', row))) return undefined;
  return row;
}

/** What the principal may see of a version that it may see at all, parsed. */
export async function contentOfRow(
  services: FhirServices,
  { principal }: Pick<Context, 'principal'>,
  row: VersionRow,
): Promise<Resource> {
  return (await contentOf(services, principal, row)).value();
}

/** The high-water mark of what goes into one Bundle, for its `meta`. */
export function marked({ opened }: Pick<FhirServices, 'opened'>, rows: readonly VersionRow[]): Pick<Resource, 'meta'> {
  const meta = highWaterMark(rows.map((row) => opened.header(row).attributes.securityLabels));
  return meta === undefined ? {} : { meta };
}
