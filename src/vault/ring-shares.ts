/**
 * A key ring in shares: any `threshold` of them give it back, fewer tell nothing (Shamir).
 *
 * A share is one line: `mooring-share-1.<ring>.<threshold>.<count>.<number>.<base64url>.<check>`. `ring`: first 8 bytes of SHA-256 over the packed ring,
 * hexadecimal: which shares belong together. `check`: first 4 bytes of SHA-256 over all before it: a slip of the pen is found.
 */
import { combine, split } from 'shamir-secret-sharing';
import { sha256, toHex } from '../base/bytes.js';
import { KeyUnavailable } from './key-ring.js';
import { packRing, unpackRing, type RingSecret } from './ring-secret.js';

const mark = 'mooring-share-1';

/** @param threshold 2 to `count`. @param count 2 to 255. */
export async function sharesOf(ring: RingSecret, count: number, threshold: number): Promise<string[]> {
  const packed = Uint8Array.from(packRing(ring));
  const shares = await split(packed, count, threshold);
  const name = nameOf(packed);
  packed.fill(0);
  return shares.map((share, index) => {
    const body = [mark, name, threshold, count, index + 1, Buffer.from(share).toString('base64url')].join('.');
    return `${body}.${checkOf(body)}`;
  });
}

/** @throws KeyUnavailable saying which share is damaged, of another ring, given twice, or how many are missing. */
export async function ringFromShares(texts: readonly string[]): Promise<RingSecret> {
  const shares = texts.map(parseShare);
  const names = new Set(shares.map(({ name }) => name));
  if (names.size > 1) throw new KeyUnavailable(`the shares are of different rings: ${[...names].join(', ')}`);
  const numbers = new Map(shares.map((share) => [share.number, share]));
  const threshold = shares[0]?.threshold ?? 2;
  if (numbers.size < threshold) {
    throw new KeyUnavailable(`${threshold} different shares are needed, ${numbers.size} are given`);
  }
  const packed = await combine([...numbers.values()].slice(0, threshold).map(({ share }) => share));
  if (nameOf(packed) !== shares[0]!.name) throw new KeyUnavailable('the shares do not give the ring that they name');
  return unpackRing(packed);
}

function parseShare(text: string, index: number) {
  const line = text.trim();
  const body = line.slice(0, line.lastIndexOf('.'));
  const [found, name = '', threshold, , number, share = ''] = body.split('.');
  if (found !== mark) throw new KeyUnavailable(`share ${index + 1} is no share of a key ring`);
  if (line.slice(body.length + 1) !== checkOf(body)) throw new KeyUnavailable(`share ${index + 1} is damaged`);
  return {
    name,
    threshold: Number(threshold),
    number: Number(number),
    share: Uint8Array.from(Buffer.from(share, 'base64url')),
  };
}

function nameOf(packed: Uint8Array): string {
  return toHex(sha256(packed).subarray(0, 8));
}

function checkOf(body: string): string {
  return toHex(sha256(Buffer.from(body)).subarray(0, 4));
}
