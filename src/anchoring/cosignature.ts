/**
 * Cosignatures: a validator's word, as a witness, that a checkpoint extends everything it signed of that log before.
 *
 * Spec: https://c2sp.org/tlog-cosignature, `cosignature/v1`: Ed25519 over `cosignature/v1\ntime <seconds>\n<checkpoint text>`; on the signature line
 * stand 8 bytes of time and the signature.
 */
import { noteKeyId, noteSigner, noteVerifier, type NoteSigner } from './note.js';

/** Algorithm byte of cosignatures. */
const cosignatureType = 0x04;

export interface Cosigner {
  readonly name: string;
  /** `name+keyid+base64(0x04 ‖ public key)`: how its public key is published. */
  readonly keyText: string;
  /** The signature line, newline included. @param time seconds since 1970. */
  cosign(checkpointText: string, time: number): string;
}

export interface CosignatureVerifier {
  readonly name: string;
  /** Time of the cosignature in seconds; undefined when the line is not a cosignature of this key under this checkpoint. */
  verify(checkpointText: string, line: string): number | undefined;
}

/** @param seed 32 bytes of an Ed25519 key. */
export function cosigner(name: string, seed: Uint8Array): Cosigner {
  const signer: NoteSigner = noteSigner(name, seed);
  const keyId = noteKeyId(name, cosignatureType, signer.publicKey);
  const key = Buffer.concat([Buffer.of(cosignatureType), signer.publicKey]).toString('base64');
  return {
    name,
    keyText: `${name}+${keyId.toString(16).padStart(8, '0')}+${key}`,
    cosign(checkpointText, time) {
      const head = Buffer.alloc(12);
      head.writeUInt32BE(keyId, 0);
      head.writeBigUInt64BE(BigInt(time), 4);
      const signature = signer.sign(cosignedText(checkpointText, time));
      return `— ${name} ${Buffer.concat([head, signature]).toString('base64')}\n`;
    },
  };
}

/** @throws RangeError when the text is no key of a cosigner. */
export function parseCosignerKey(text: string): CosignatureVerifier {
  const match = /^([^\s+]+)\+([0-9a-f]{8})\+([A-Za-z0-9+/=]+)$/.exec(text);
  const key = match === null ? Buffer.alloc(0) : Buffer.from(match[3], 'base64');
  if (match === null || key.length !== 33 || key[0] !== cosignatureType) throw new RangeError('not a cosigner key');
  const [, name, keyId] = match;
  const publicKey = key.subarray(1);
  if (noteKeyId(name, cosignatureType, publicKey) !== Number.parseInt(keyId, 16))
    throw new RangeError('key id does not fit the key');
  const verifier = noteVerifier(name, publicKey);
  return {
    name,
    verify(checkpointText, line) {
      const found = /^— ([^\s+]+) ([A-Za-z0-9+/]+=*)\n$/.exec(line);
      const bytes = found === null ? Buffer.alloc(0) : Buffer.from(found[2], 'base64');
      if (found?.[1] !== name || bytes.length !== 76 || bytes.readUInt32BE(0) !== Number.parseInt(keyId, 16))
        return undefined;
      const time = Number(bytes.readBigUInt64BE(4));
      return verifier.verify(cosignedText(checkpointText, time), bytes.subarray(12)) ? time : undefined;
    },
  };
}

function cosignedText(checkpointText: string, time: number): string {
  return `cosignature/v1\ntime ${time}\n${checkpointText}`;
}
