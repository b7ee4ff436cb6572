/** Passwords: scrypt with a salt of its own each; compared in constant time. Spec: RFC 7914; parameters as OWASP advises. */
import { randomBytes, scrypt, timingSafeEqual } from 'node:crypto';

/** A hash with what it was made with, so that the cost can rise without making older ones useless. */
export interface PasswordHash {
  /** base64 */
  readonly salt: string;
  /** base64, 32 bytes */
  readonly hash: string;
  readonly cost: number;
}

/** 2^15 blocks of 8: 32 MiB and about 60 ms. */
export const usualCost = 2 ** 15;
const hashBytes = 32;

export const shortestPassword = 10;
export const longestPassword = 1_024;

/** @param cost a power of two. */
export async function hashPassword(password: string, cost = usualCost): Promise<PasswordHash> {
  const salt = randomBytes(16);
  const hash = await derive(password, salt, cost);
  return { salt: salt.toString('base64'), hash: hash.toString('base64'), cost };
}

/** @param stored absent (no such account): takes as long as a wrong password, and is false. */
export async function isPassword(password: string, stored: PasswordHash | undefined): Promise<boolean> {
  if (password.length > longestPassword) return false;
  const { salt, hash, cost } = stored ?? nobody;
  const derived = await derive(password, Buffer.from(salt, 'base64'), cost);
  const isEqual = timingSafeEqual(derived, Buffer.from(hash, 'base64'));
  return isEqual && stored !== undefined;
}

const nobody: PasswordHash = {
  salt: Buffer.alloc(16).toString('base64'),
  hash: Buffer.alloc(hashBytes).toString('base64'),
  cost: usualCost,
};

function derive(password: string, salt: Buffer, N: number): Promise<Buffer> {
  const options = { N, r: 8, p: 1, maxmem: 256 * N * 8 };
  return new Promise((resolve, reject) => {
    // The same characters typed on another keyboard are the same password.
    scrypt(password.normalize('NFKC'), salt, hashBytes, options, (error, key) =>
      error === null ? resolve(key) : reject(error),
    );
  });
}
