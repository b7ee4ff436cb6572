/**
 * What a principal may see of a version that it may see at all: elements whose labels consent hides are cut out.
 *
 * The contract decides for each set of labels as for a record that carries them: a provision that denies a label hides the records that have
 * it, and the elements that have it in records that do not.
 */
import { stringifyJson } from '../base/json.js';
import type { Coding } from '../base/resource.js';
import type { VersionRow } from '../commit/catalog.js';
import type { ConsentAction, Principal } from '../consent/gate.js';
import { permits } from './permits.js';
import { isMandatoryIn, labelKey, redacted } from './inline-labels.js';
import { JsonText } from './json-text.js';
import type { FhirServices } from './services.js';

export type ContentServices = Pick<FhirServices, 'gate' | 'opened' | 'definitions'>;

/**
 * Call only after the decision that the version may be seen. At once when the text is at hand and nothing of it is labelled.
 * @param action what the content is wanted for, as in the decision.
 */
export function contentOf(
  services: ContentServices,
  principal: Principal,
  row: VersionRow,
  action: ConsentAction = 'access',
): JsonText | Promise<JsonText> {
  const { opened } = services;
  if (opened.header(row).attributes.elementLabels === undefined) return opened.textNow(row) ?? opened.text(row);
  return partOf(services, principal, row, action).then((part) => part ?? opened.text(row));
}

/** The version without what is hidden; undefined when nothing is. */
export async function partOf(
  services: ContentServices,
  principal: Principal,
  row: VersionRow,
  action: ConsentAction = 'access',
): Promise<JsonText | undefined> {
  const hidden = await hiddenLabels(services, principal, row, action);
  if (hidden.size === 0) return undefined;
  const resource = (await services.opened.text(row)).value();
  const part = redacted(
    resource,
    (labels) => hidden.has(labelKey(labels)),
    isMandatoryIn(services.definitions, resource.resourceType),
  );
  return new JsonText(Buffer.from(stringifyJson(part)));
}

/** Keys of the label sets of elements that the principal may not see. */
export async function hiddenLabels(
  services: Pick<FhirServices, 'gate' | 'opened'>,
  principal: Principal,
  row: VersionRow,
  action: ConsentAction = 'access',
): Promise<ReadonlySet<string>> {
  const { elementLabels, ...attributes } = services.opened.header(row).attributes;
  const hidden = new Set<string>();
  for (const labels of elementLabels ?? []) {
    const securityLabels: readonly Coding[] = [...attributes.securityLabels, ...labels];
    if (!(await permits(services, principal, action, { ...attributes, securityLabels }))) hidden.add(labelKey(labels));
  }
  return hidden;
}
