/**
 * Guardians: people who together give a lost key back. A key is split so that any `threshold` of them suffice, and one fewer learn nothing
 * (Shamir's scheme over GF(256)).
 *
 * Best is a **recovery key**: made for the purpose, named on the chain by the patient (`setRecovery`), and never used but to replace her key, after a
 * delay in which she can object. So it also serves who signs with a passkey, which cannot be taken apart. A key that the server keeps, or a wallet's,
 * can be split as it is.
 *
 * A share is one line: `mooring-guardian-1.ADDRESS.THRESHOLD.COUNT.NUMBER.SHARE.CHECK`; ADDRESS belongs to the key, so that a wrong mixture is noticed.
 * Spec: https://dl.acm.org/doi/10.1145/359168.359176; https://github.com/privy-io/shamir-secret-sharing
 */
import { combine, split } from 'shamir-secret-sharing';
import { sha256, toHex } from '../base/bytes.js';
import type { Hex } from '../chain/chain.js';
import { addressOf } from '../chain/signing.js';

const mark = 'mooring-guardian-1';

export class GuardianShareError extends Error {
  override readonly name = 'GuardianShareError';
}

/**
 * One share for each guardian.
 * @param key 32-byte secp256k1 private key. @param threshold 2 to `count`. @param count 2 to 255. @throws RangeError otherwise.
 */
export async function splitKey(key: Uint8Array, count: number, threshold: number): Promise<string[]> {
  if (!(threshold >= 2 && threshold <= count && count <= 255)) {
    throw new RangeError('at least 2 guardians are needed, and no more than there are');
  }
  const address = addressOf(key);
  const shares = await split(Uint8Array.from(key), count, threshold);
  return shares.map((share, index) => {
    const body = [mark, address, threshold, count, index + 1, Buffer.from(share).toString('base64url')].join('.');
    return `${body}.${checkOf(body)}`;
  });
}

/** The address of the key that a share belongs to, and how many are needed. @throws GuardianShareError when it is damaged. */
export function aboutShare(share: string): {
  readonly address: Hex;
  readonly threshold: number;
  readonly number: number;
} {
  const { address, threshold, number } = parse(share);
  return { address, threshold, number };
}

/**
 * The key again. Wipe it after use.
 * @throws GuardianShareError when shares are damaged, belong to different keys, are too few, or do not give the key that they name.
 */
export async function joinShares(shares: readonly string[]): Promise<Uint8Array> {
  const parsed = new Map(shares.map(parse).map((share) => [`${share.address}/${share.number}`, share]));
  const [first, ...others] = parsed.values();
  if (first === undefined) throw new GuardianShareError('no share is given');
  if (others.some(({ address }) => address !== first.address)) {
    throw new GuardianShareError('the shares belong to different keys');
  }
  if (parsed.size < first.threshold) {
    throw new GuardianShareError(`${first.threshold} different shares are needed, ${parsed.size} are given`);
  }
  const key = await combine([...parsed.values()].slice(0, first.threshold).map(({ share }) => share));
  // Shares that were forged give some key: not this one.
  if (key.byteLength !== 32 || addressOf(key) !== first.address) {
    key.fill(0);
    throw new GuardianShareError('the shares do not give the key that they name');
  }
  return key;
}

function parse(text: string): { address: Hex; threshold: number; number: number; share: Uint8Array } {
  const line = text.trim();
  const body = line.slice(0, line.lastIndexOf('.'));
  const [found, address = '', threshold, , number, share = ''] = body.split('.');
  if (found !== mark || !/^0x[0-9a-f]{40}$/.test(address))
    throw new GuardianShareError('this is no share of a guardian');
  if (line.slice(body.length + 1) !== checkOf(body)) throw new GuardianShareError('a share is damaged');
  return {
    address: address as Hex,
    threshold: Number(threshold),
    number: Number(number),
    share: Uint8Array.from(Buffer.from(share, 'base64url')),
  };
}

function checkOf(body: string): string {
  return toHex(sha256(Buffer.from(body)).subarray(0, 4));
}
