/**
 * Signed notes: a text and Ed25519 signatures under it.
 *
 * Spec: https://c2sp.org/signed-note
 */
import { createPrivateKey, createPublicKey, sign, verify, type KeyObject } from 'node:crypto';
import { sha256 } from '../base/bytes.js';

/** Algorithm byte of plain Ed25519 signatures. */
const ed25519 = 0x01;
/** DER before the 32 bytes of an Ed25519 private key (PKCS#8) and public key (SPKI). Spec: RFC 8410. */
const pkcs8Prefix = Buffer.from('302e020100300506032b657004220420', 'hex');
const spkiPrefix = Buffer.from('302a300506032b6570032100', 'hex');

export interface NoteSigner {
  /** Key name: no spaces, no plus. */
  readonly name: string;
  readonly keyId: number;
  /** 32 bytes. */
  readonly publicKey: Uint8Array;
  sign(text: string): Uint8Array;
}

export interface NoteVerifier {
  readonly name: string;
  readonly keyId: number;
  verify(text: string, signature: Uint8Array): boolean;
}

/** A signer from a 32-byte Ed25519 seed. */
export function noteSigner(name: string, seed: Uint8Array): NoteSigner {
  assertName(name);
  const key = createPrivateKey({ key: Buffer.concat([pkcs8Prefix, seed]), format: 'der', type: 'pkcs8' });
  const publicKey = createPublicKey(key).export({ format: 'der', type: 'spki' }).subarray(-32);
  return {
    name,
    keyId: keyIdOf(name, publicKey),
    publicKey,
    sign: (text) => sign(null, Buffer.from(text, 'utf8'), key),
  };
}

/** A verifier for a 32-byte Ed25519 public key. */
export function noteVerifier(name: string, publicKey: Uint8Array): NoteVerifier {
  assertName(name);
  const key: KeyObject = createPublicKey({ key: Buffer.concat([spkiPrefix, publicKey]), format: 'der', type: 'spki' });
  return {
    name,
    keyId: keyIdOf(name, publicKey),
    verify: (text, signature) => signature.byteLength === 64 && verify(null, Buffer.from(text, 'utf8'), key, signature),
  };
}

/** `name+keyid+base64(type ‖ public key)`: how a note's public key is published. */
export function verifierKeyText(signer: Pick<NoteSigner, 'name' | 'keyId' | 'publicKey'>): string {
  const key = Buffer.concat([Buffer.of(ed25519), signer.publicKey]).toString('base64');
  return `${signer.name}+${signer.keyId.toString(16).padStart(8, '0')}+${key}`;
}

/** A verifier from the text form. @throws RangeError when it is none, or its key id does not fit. */
export function parseVerifierKey(text: string): NoteVerifier {
  const match = /^([^\s+]+)\+([0-9a-f]{8})\+([A-Za-z0-9+/=]+)$/.exec(text);
  const key = match === null ? Buffer.alloc(0) : Buffer.from(match[3], 'base64');
  if (match === null || key.length !== 33 || key[0] !== ed25519) throw new RangeError('not an Ed25519 note key');
  const verifier = noteVerifier(match[1], key.subarray(1));
  if (verifier.keyId !== Number.parseInt(match[2], 16)) throw new RangeError('key id does not fit the key');
  return verifier;
}

/** The note: `text` (ends with a newline), a blank line, one signature line per signer. */
export function signNote(text: string, signers: readonly NoteSigner[]): string {
  if (!text.endsWith('\n')) throw new RangeError('the text of a note ends with a newline');
  const lines = signers.map((signer) => {
    const id = Buffer.alloc(4);
    id.writeUInt32BE(signer.keyId);
    return `— ${signer.name} ${Buffer.concat([id, signer.sign(text)]).toString('base64')}\n`;
  });
  return `${text}\n${lines.join('')}`;
}

/**
 * The text of a note that at least one of `verifiers` signed.
 * @throws NoteError when it is no note, no known key signed it, or a known key's signature is wrong.
 */
export function openNote(note: string, verifiers: readonly NoteVerifier[]): { text: string; signedBy: string[] } {
  const split = note.lastIndexOf('\n\n');
  if (split < 0 || !note.endsWith('\n') || /[\u0000-\u0009\u000b-\u001f]/.test(note))
    throw new NoteError('not a signed note');
  const text = note.slice(0, split + 1);
  const lines = note.slice(split + 2, -1).split('\n');
  const signedBy: string[] = [];
  for (const line of lines) {
    const match = /^— ([^\s+]+) ([A-Za-z0-9+/]+=*)$/.exec(line);
    const bytes = match === null ? Buffer.alloc(0) : Buffer.from(match[2], 'base64');
    if (match === null || bytes.length < 5) throw new NoteError('malformed signature line');
    const known = verifiers.find(({ name, keyId }) => name === match[1] && keyId === bytes.readUInt32BE(0));
    if (known === undefined) continue;
    if (!known.verify(text, bytes.subarray(4))) throw new NoteError(`the signature of ${known.name} is wrong`);
    signedBy.push(known.name);
  }
  if (signedBy.length === 0) throw new NoteError('no known key signed this note');
  return { text, signedBy };
}

export class NoteError extends Error {
  override readonly name = 'NoteError';
}

/** First 4 bytes of SHA-256(name ‖ newline ‖ algorithm byte ‖ public key). */
export function noteKeyId(name: string, algorithm: number, publicKey: Uint8Array): number {
  return Buffer.from(sha256(Buffer.from(`${name}\n`, 'utf8'), Buffer.of(algorithm), publicKey)).readUInt32BE(0);
}

function keyIdOf(name: string, publicKey: Uint8Array): number {
  return noteKeyId(name, ed25519, publicKey);
}

function assertName(name: string): void {
  if (!/^[^\s+]+$/.test(name)) throw new RangeError('a key name has no spaces and no plus');
}
