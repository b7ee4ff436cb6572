/**
 * A validator's own keys, all derived from one secret in a file: the account that attests, the key that briefings are sealed for, the key that cosigns.
 */
import { hkdfSync } from 'node:crypto';
import { open, readFile, rename } from 'node:fs/promises';
import { stat, mkdir } from 'node:fs/promises';
import path from 'node:path';
import type { Hex } from '../../chain/chain.js';
import { privateKeyFrom } from '../../chain/keys.js';
import { addressOf } from '../../chain/signing.js';
import { hpkePublicKey, makeHpkeKeyPair } from '../../vault/hpke.js';
import { randomBytes } from '../../vault/random.js';
import { toHex } from '../../base/bytes.js';
import { cosigner } from '../cosignature.js';

export interface ValidatorKeys {
  /** Name of its cosignatures: no spaces, no plus. */
  readonly name: string;
  /** secp256k1, 32 bytes. */
  readonly attesting: Uint8Array;
  /** X25519, 32 bytes. */
  readonly opening: Uint8Array;
  /** Ed25519 seed, 32 bytes. */
  readonly cosigning: Uint8Array;
}

/** What a network publishes of a validator: an entry of the file that VALIDATORS names. */
export interface ValidatorDescription {
  readonly url: string;
  /** Account that attests, lower case. */
  readonly address: Hex;
  /** X25519 public key, hexadecimal. */
  readonly hpkeKey: string;
  /** Cosigner key, c2sp.org/signed-note form. */
  readonly cosigner: string;
}

/** @param secret 32 bytes. */
export async function validatorKeys(name: string, secret: Uint8Array): Promise<ValidatorKeys> {
  const derive = (label: string) =>
    new Uint8Array(hkdfSync('sha256', secret, new Uint8Array(0), `mooring/${label}`, 32));
  return {
    name,
    attesting: privateKeyFrom(secret, 'validator'),
    opening: (await makeHpkeKeyPair(derive('validator/hpke'))).privateKey,
    cosigning: derive('validator/cosigner'),
  };
}

/** The keys in `folder`; made when there are none. @throws Error when others may read the file, or it holds no secret. */
export async function openValidatorKeys(folder: string, name?: string): Promise<ValidatorKeys> {
  const file = path.join(folder, 'validator-key.json');
  await mkdir(folder, { recursive: true, mode: 0o700 });
  const known = await readFile(file, 'utf8').catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'ENOENT') return undefined;
    throw error;
  });
  if (known === undefined) {
    const secret = randomBytes(32);
    const address = addressOf(privateKeyFrom(secret, 'validator'));
    const entry = { name: name ?? `validator-${address.slice(2, 10)}`, secret: Buffer.from(secret).toString('base64') };
    const handle = await open(`${file}.new`, 'w', 0o600);
    await handle.writeFile(JSON.stringify(entry));
    await handle.sync();
    await handle.close();
    await rename(`${file}.new`, file);
    return validatorKeys(entry.name, secret);
  }
  if (((await stat(file)).mode & 0o077) !== 0)
    throw new Error(`${file} can be read by others than its owner: expected mode 0600`);
  const { name: kept, secret } = JSON.parse(known) as { name: string; secret: string };
  const bytes = new Uint8Array(Buffer.from(secret, 'base64'));
  if (bytes.byteLength !== 32) throw new Error(`${file} holds no validator's secret`);
  return validatorKeys(kept, bytes);
}

/** @param url where it is reached. */
export function describeValidator(keys: ValidatorKeys, url: string): ValidatorDescription {
  return {
    url,
    address: addressOf(keys.attesting),
    hpkeKey: toHex(hpkePublicKey(keys.opening)),
    cosigner: cosigner(keys.name, keys.cosigning).keyText,
  };
}
