/**
 * CIDv1 of raw blocks: the text form of a block's SHA-256 (`bafkrei...`).
 *
 * Spec: https://github.com/multiformats/cid, RFC 4648 base32 (lower case, unpadded, prefix `b`).
 */

const alphabet = 'abcdefghijklmnopqrstuvwxyz234567';
/** CIDv1, raw codec, sha2-256, 32 bytes. */
const prefix = Buffer.of(0x01, 0x55, 0x12, 0x20);

/** CID text of a block with this SHA-256 (32 bytes). */
export function cidOf(digest: Uint8Array): string {
  let [text, bits, held] = ['b', 0, 0];
  for (const byte of Buffer.concat([prefix, digest])) {
    bits = (bits << 8) | byte;
    held += 8;
    while (held >= 5) {
      held -= 5;
      text += alphabet[(bits >> held) & 31];
    }
    bits &= (1 << held) - 1;
  }
  return held > 0 ? text + alphabet[(bits << (5 - held)) & 31] : text;
}

/** The SHA-256 in a CID of a raw block; undefined when `text` is no such CID in its only right spelling. */
export function digestOfCid(text: string): Uint8Array | undefined {
  if (!/^b[a-z2-7]{58}$/.test(text)) return undefined;
  const bytes = new Uint8Array(36);
  let [bits, held, at] = [0, 0, 0];
  for (const letter of text.slice(1)) {
    bits = (bits << 5) | alphabet.indexOf(letter);
    held += 5;
    if (held < 8) continue;
    held -= 8;
    bytes[at] = bits >> held;
    at += 1;
    bits &= (1 << held) - 1;
  }
  const digest = bytes.subarray(4);
  return cidOf(digest) === text ? digest : undefined;
}
