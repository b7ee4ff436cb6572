/** Who pays for what the server sends to the chain: keys of its own, keys out of a file, or accounts of an external signer. */
import { readFileSync, statSync } from 'node:fs';
import { Wallet } from 'ethers';
import type { Hex } from '../chain/chain.js';
import { chainKeys, privateKeyFrom } from '../chain/keys.js';
import { addressOf } from '../chain/signing.js';
import { remoteSigner, type TransactionSigner } from '../chain/transaction-signer.js';
import type { ChainConfig } from '../config.js';
import type { KeyRing } from '../vault/key-ring.js';

/** A private key (32 bytes), or a signer that keeps it. */
export type Payer = Uint8Array | TransactionSigner;

/** Each sends with an account of its own, so that nonces never race. */
export interface Payers {
  /** Deploys the contracts, and is the first member of the network. */
  readonly deployer: Payer;
  /** Sends the anchorer's transactions. */
  readonly anchorer: Payer;
  /** Relays consent filings and revocations. */
  readonly publisher: Payer;
  /** Signs heads of the log: statements, no transactions, so the server has this key itself. */
  readonly validator: Uint8Array;
}

/** Of an operator's chain: derived from the key that the operator funded; it deploys, the others are told at start. */
export function payersOf(chain: ChainConfig, keyRing: Pick<KeyRing, 'derive'>): Payers {
  if (chain.kind === 'embedded') return chainKeys(keyRing);
  const { payer } = chain;
  if (payer.kind === 'signer') {
    return {
      deployer: remoteSigner(payer.url, payer.deployer),
      anchorer: remoteSigner(payer.url, payer.anchorer),
      publisher: remoteSigner(payer.url, payer.publisher),
      validator: chainKeys(keyRing).validator,
    };
  }
  const seed = readKeyFile(payer.keyFile, payer.passwordFile);
  return {
    deployer: seed,
    anchorer: privateKeyFrom(seed, 'anchorer'),
    publisher: privateKeyFrom(seed, 'publisher'),
    validator: privateKeyFrom(seed, 'validator'),
  };
}

/** The account that pays; lower case. */
export function accountOf(payer: Payer): Hex {
  return payer instanceof Uint8Array ? addressOf(payer) : payer.address;
}

/**
 * The private key in a file of mode 0600: 0x and 64 digits, or a keystore (Web3 Secret Storage, JSON) with the password of another file.
 * @throws Error naming what is wrong with it.
 */
export function readKeyFile(file: string, passwordFile?: string): Uint8Array {
  const text = secretText(file);
  const isKeystore = text.startsWith('{');
  if (isKeystore && passwordFile === undefined)
    throw new Error(`${file} is an encrypted keystore: its password is expected in CHAIN_KEY_PASSWORD_FILE`);
  const key = isKeystore ? Wallet.fromEncryptedJsonSync(text, secretText(passwordFile!)).privateKey : text;
  if (!/^0x[0-9a-fA-F]{64}$/.test(key))
    throw new Error(`${file} holds no private key: expected 0x and 64 hexadecimal digits, or a keystore`);
  return new Uint8Array(Buffer.from(key.slice(2), 'hex'));
}

function secretText(file: string): string {
  if ((statSync(file).mode & 0o077) !== 0)
    throw new Error(`${file} can be read by others than its owner: expected mode 0600`);
  return readFileSync(file, 'utf8').trim();
}
