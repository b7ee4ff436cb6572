/** The server's own keys on the chain, derived from the key ring: one for each sender, so that nonces never race. */
import { hkdfSync } from 'node:crypto';

/** 32-byte secp256k1 private keys. */
export interface ChainKeys {
  /** Deploys the contracts, and is the first member of the network. */
  readonly deployer: Uint8Array;
  /** Sends the anchorer's transactions. */
  readonly anchorer: Uint8Array;
  /** Relays consent filings and revocations. */
  readonly publisher: Uint8Array;
  /** Signs heads of the log. */
  readonly validator: Uint8Array;
}

const ORDER = 0xfffffffffffffffffffffffffffffffebaaedce6af48a03bbfd25e8cd0364141n;

/** Keys of this installation: the same for the same ring. */
export function chainKeys(ring: { derive(purpose: string): Uint8Array }): ChainKeys {
  const seed = ring.derive('chain');
  const key = (role: string) => privateKeyFrom(seed, role);
  return {
    deployer: key('deployer'),
    anchorer: key('anchorer'),
    publisher: key('publisher'),
    validator: key('validator'),
  };
}

/** A secp256k1 private key from 32 secret bytes and a label (HKDF-SHA-256, 48 bytes reduced: bias below 2^-128). */
export function privateKeyFrom(seed: Uint8Array, label: string): Uint8Array {
  const wide = Buffer.from(hkdfSync('sha256', seed, new Uint8Array(0), `mooring/secp256k1/${label}`, 48));
  const scalar = (BigInt(`0x${wide.toString('hex')}`) % (ORDER - 1n)) + 1n;
  return new Uint8Array(Buffer.from(scalar.toString(16).padStart(64, '0'), 'hex'));
}
