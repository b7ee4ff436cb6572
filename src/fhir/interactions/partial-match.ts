/**
 * Resources that are seen in part: what is hidden of one neither finds it, nor sorts it, nor leads on from it.
 *
 * The index holds more of them than any single reader sees. So what she sees is indexed anew, for her alone, in memory.
 */
import type { LinkOf, VersionRow } from '../../commit/catalog.js';
import type { Term } from '../../base/ids.js';
import type { Principal, RecordAttributes } from '../../consent/gate.js';
import { concernedPatients } from '../search/compartment.js';
import type { Extracted } from '../search/extract.js';
import type { SearchQuery } from '../search/query.js';
import type { FhirServices } from '../services.js';
import { contentOf, partOf } from '../visible-content.js';
import { attributesOf } from '../write/attributes.js';

export type PartialServices = Pick<
  FhirServices,
  'gate' | 'opened' | 'definitions' | 'extractor' | 'catalog' | 'search' | 'names'
>;

/** True when the version has no labelled elements: who may see it sees all of it, and the index is right about it. */
export function isWhole({ opened }: Pick<FhirServices, 'opened'>, row: VersionRow): boolean {
  return opened.header(row).attributes.elementLabels === undefined;
}

/** What the index would hold of a version, had it only what the principal sees; undefined when she sees all. */
export async function seenInPart(
  services: PartialServices,
  principal: Principal,
  row: VersionRow,
): Promise<Extracted | undefined> {
  if (isWhole(services, row)) return undefined;
  const part = await partOf(services, principal, row);
  return part === undefined ? undefined : services.extractor.extract(part.value());
}

/** The attributes of a version, had it only what the principal sees. */
export async function seenAttributes(
  services: PartialServices,
  principal: Principal,
  row: VersionRow,
): Promise<RecordAttributes> {
  const { attributes } = services.opened.header(row);
  if (isWhole(services, row)) return attributes;
  const part = (await partOf(services, principal, row))?.value();
  if (part === undefined) return attributes;
  const { patients } = services.extractor.extract(part);
  return attributesOf(part, concernedPatients(services.search.parameters, part, patients), attributes.author ?? '');
}

/** Whether what the principal sees of a version passes a check that the index could not make. */
export async function passes(
  services: PartialServices,
  principal: Principal,
  recheck: NonNullable<SearchQuery['recheck']>,
  row: VersionRow,
): Promise<boolean> {
  return recheck((await contentOf(services, principal, row)).value());
}

/** References of versions for these parameters, as far as the principal sees them. */
export async function visibleLinks(
  services: PartialServices,
  principal: Principal,
  rows: readonly VersionRow[],
  params: readonly Term[],
): Promise<readonly LinkOf[]> {
  const leafIndexes = rows.map(({ leafIndex }) => leafIndex);
  const links = await services.catalog.linksOf(leafIndexes, params);
  const parts = new Map<number, Extracted>();
  for (const row of rows) {
    const part = await seenInPart(services, principal, row);
    if (part !== undefined) parts.set(row.leafIndex, part);
  }
  if (parts.size === 0) return links;
  return links.filter(({ leafIndex, param, target }) => {
    const part = parts.get(leafIndex);
    return part === undefined || part.links.some((link) => isEqual(link.target, target) && isEqual(link.param, param));
  });
}

/** The resources that versions refer to, each once, as far as the principal sees the references. @param params empty: all. */
export async function visibleTargets(
  services: PartialServices,
  principal: Principal,
  rows: readonly VersionRow[],
  params: readonly Term[],
): Promise<readonly Term[]> {
  const targetsIn = async (some: readonly VersionRow[]) =>
    (await visibleLinks(services, principal, some, params)).map(({ target }) => target);
  if (params.length > 0) return targetsIn(rows);
  const whole = rows.filter((row) => isWhole(services, row)).map(({ leafIndex }) => leafIndex);
  const targets = await services.catalog.targetsOf(whole);
  const parts = rows.filter((row) => !isWhole(services, row));
  return parts.length === 0 ? targets : [...targets, ...(await targetsIn(parts))];
}

export function isEqual(a: Term, b: Term): boolean {
  return Buffer.compare(a, b) === 0;
}
