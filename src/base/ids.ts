/** Identifiers of different kinds, each made at the edge by its own parser. */

/** FHIR id: `[A-Za-z0-9\-.]{1,64}`. Spec: https://hl7.org/fhir/R4/datatypes.html#id */
export type ResourceId = string & { readonly __brand: 'ResourceId' };

/** SHA-256 of a sealed block, 32 bytes: the digest inside its CID. */
export type BlockDigest = Uint8Array & { readonly __brand?: 'BlockDigest' };

/** A blinded value, 16 bytes: HMAC-SHA-256 under the index key, cut. */
export type Term = Uint8Array & { readonly __brand?: 'Term' };

const idForm = /^[A-Za-z0-9\-.]{1,64}$/;

/** @returns the id, or undefined when `text` is no FHIR id. */
export function parseResourceId(text: string): ResourceId | undefined {
  return idForm.test(text) ? (text as ResourceId) : undefined;
}
