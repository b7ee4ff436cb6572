/** Elements of a logged version as an SD-JWT of the organisation. */
import { toHex } from '../base/bytes.js';
import { fhirError } from '../base/outcome.js';
import type { VersionRow } from '../commit/catalog.js';
import { selects } from './disclosure.js';
import { encodeLeaf, leafHash } from './leaf.js';
import { openLeaf } from './opened-leaf.js';
import type { ProofSource } from './proof-builder.js';
import { issueSdJwt } from './sd-jwt.js';

/**
 * @param issuer base URL of the FHIR door. @param now milliseconds since 1970.
 * @throws FhirError 422 when no element is selected, 501 when this server has no key to sign with; LeafErased.
 */
export async function signedElements(
  source: ProofSource,
  row: VersionRow,
  selectors: readonly string[],
  issuer: string,
  now: number,
): Promise<string> {
  if (source.organisationKey === undefined) throw fhirError(501, 'not-supported', 'This server signs no SD-JWT.');
  const { url, parts, content } = await openLeaf(source, row);
  const isWanted = selects(selectors);
  const elements = content?.tree.elements.filter(({ path }) => isWanted(path)) ?? [];
  if (elements.length === 0)
    throw fhirError(422, 'value', `no element of this version is selected by ${selectors.join(', ')}`);
  const claims = { iss: issuer, iat: Math.floor(now / 1000), url, leaf: toHex(leafHash(encodeLeaf(parts))) };
  return issueSdJwt(source.organisationKey, claims, elements);
}
