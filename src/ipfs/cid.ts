/**
 * CIDs of sealed blocks: version 1, codec raw, sha2-256. Kubo computes the same for the same bytes.
 *
 * Spec: https://github.com/multiformats/cid
 */
import { CID } from 'multiformats/cid';
import * as raw from 'multiformats/codecs/raw';
import * as Digest from 'multiformats/hashes/digest';
import type { BlockDigest } from '../base/ids.js';

const sha256Code = 0x12;

/** Binary form of a CID without its digest: version 1, raw, sha2-256, 32 bytes follow. */
export const cidPrefix = Uint8Array.of(0x01, raw.code, sha256Code, 32);
/** Length of the binary form. */
export const cidBytes = cidPrefix.byteLength + 32;

export function cidOf(digest: BlockDigest): CID {
  return CID.createV1(raw.code, Digest.create(sha256Code, digest));
}

/** Base32 text, `bafkrei…`. */
export function cidText(digest: BlockDigest): string {
  return cidOf(digest).toString();
}

/** The digest inside `text`. @throws RangeError when it is no CIDv1 of a raw block with sha2-256. */
export function digestOfCid(text: string | CID): BlockDigest {
  let cid: CID;
  try {
    cid = typeof text === 'string' ? CID.parse(text) : text;
  } catch {
    throw new RangeError(`"${String(text)}" is no CID`);
  }
  if (cid.version !== 1 || cid.code !== raw.code || cid.multihash.code !== sha256Code) {
    throw new RangeError(`CID ${cid.toString()} is not version 1, raw, sha2-256`);
  }
  return Uint8Array.from(cid.multihash.digest);
}
