/**
 * The proof of one resource version: everything that is needed to check it against a chain, without the server.
 *
 * On the wire it is a FHIR Parameters resource (proof-parameters.ts, docs/poi.md "Proof document"). What each part proves is checked by verify-proof.ts.
 */
import type { HeadStatement } from '../chain/anchor-log.js';
import type { Hex } from '../chain/chain.js';
import type { AttestationSignature } from '../chain/signing.js';
import type { Disclosure } from './disclosure.js';
import type { LeafParts } from './leaf.js';

/** Name of this form of proof. */
export const proofFormat = 'mooring-proof-1';

export interface Proof {
  /** Versioned URL: `https://ehr.example/fhir/Patient/1/_history/3`. */
  readonly url: string;
  /** Salt of the hash of the URL in the leaf, 16 bytes. */
  readonly urlSalt: Uint8Array;
  readonly parts: LeafParts;
  /** RFC 6962 leaf hash, 32 bytes. */
  readonly leaf: Uint8Array;
  /** 0-based position in the log. */
  readonly leafIndex: number;
  /** What of the content is shown. */
  readonly content: ProofContent;
  /** At least one: the same leaf may be anchored on several chains. */
  readonly anchors: readonly Anchor[];
}

export type ProofContent =
  /** Nothing: whoever has the resource and the leaf salt may check them against the commitment. */
  | { readonly kind: 'none' }
  /** The whole resource, with the leaf salt (16 bytes) that its commitment was made with. */
  | { readonly kind: 'resource'; readonly salt: Uint8Array; readonly resource: { readonly resourceType: string } }
  | { readonly kind: 'elements'; readonly disclosure: Disclosure };

/** Where a head that covers the leaf stands on a chain. */
export interface Anchor {
  /** Inclusion path of the leaf in the tree of `statement.size` leaves, from the leaf upwards. */
  readonly inclusion: readonly Uint8Array[];
  /** Path of the leaf's receipt entry in the batch's receipts, when this batch took the leaf in. */
  readonly receipts: readonly Uint8Array[];
  readonly chainId: number;
  /** Address of the AnchorLog. */
  readonly contract: Hex;
  /** Number of the batch, from 1. */
  readonly batch: number;
  /** What the validators signed. */
  readonly statement: HeadStatement;
  readonly signatures: readonly AttestationSignature[];
  readonly txHash: Hex;
  readonly blockNumber: number;
  readonly blockHash: Hex;
}

/** A document that is no proof of this format: names the part. */
export class ProofFormatError extends Error {
  override readonly name = 'ProofFormatError';
}
