/**
 * Elements of a version as an SD-JWT: signed by the organisation, each element shown or held back by whoever holds the document.
 *
 * Spec: RFC 9901. The payload names version, leaf and issuer; every element is a claim of `elements`, named by its path, each with a disclosure of its own.
 * Decoys hide how many there are. Layout: docs/poi.md, "SD-JWT".
 */
import { createECDH, createPrivateKey, hkdfSync, randomBytes, type JsonWebKey, type KeyObject } from 'node:crypto';
import { CompactSign, calculateJwkThumbprint, compactVerify, importJWK, type JWK } from 'jose';
import { sha256 } from '../base/bytes.js';
import { parseJson } from '../base/json.js';
import type { Element } from './elements.js';

/** `vct` of these documents. */
const sdJwtType = 'urn:mooring:elements:1';
/** Digests are filled up to a multiple of this. */
const digestGroup = 16;

/** The key with which an organisation signs documents (ES256). */
export interface OrganisationKey {
  readonly privateKey: KeyObject;
  /** With `kid` (RFC 7638), `alg` and `use`. */
  readonly publicJwk: JWK;
}

/** Order of P-256. */
const order = 0xffffffff00000000ffffffffffffffffbce6faada7179e84f3b9cac2fc632551n;

/** The same key for the same 32 secret bytes. */
export async function organisationKey(secret: Uint8Array): Promise<OrganisationKey> {
  const wide = Buffer.from(hkdfSync('sha256', secret, new Uint8Array(0), 'mooring/organisation/es256', 48));
  const scalar = (BigInt(`0x${wide.toString('hex')}`) % (order - 1n)) + 1n;
  const d = Buffer.from(scalar.toString(16).padStart(64, '0'), 'hex');
  const ecdh = createECDH('prime256v1');
  ecdh.setPrivateKey(d);
  const point = ecdh.getPublicKey();
  const [x, y] = [point.subarray(1, 33), point.subarray(33)].map((bytes) => bytes.toString('base64url'));
  const publicJwk = { kty: 'EC', crv: 'P-256', x, y };
  const jwk: JsonWebKey = { ...publicJwk, d: d.toString('base64url') };
  const kid = await calculateJwkThumbprint(publicJwk);
  return {
    privateKey: createPrivateKey({ key: jwk, format: 'jwk' }),
    publicJwk: { ...publicJwk, alg: 'ES256', use: 'sig', kid },
  };
}

/** What the document says beside its elements. */
export interface SdJwtClaims {
  /** Base URL of the issuer's FHIR door. */
  readonly iss: string;
  /** Seconds since 1970. */
  readonly iat: number;
  /** Versioned URL. */
  readonly url: string;
  /** Leaf of the log, hexadecimal: what `$proof` of the same version proves. */
  readonly leaf: string;
}

/** The document with every element shown: `<JWT>~<disclosure>~...~`. */
export async function issueSdJwt(
  key: OrganisationKey,
  claims: SdJwtClaims,
  elements: readonly Element[],
): Promise<string> {
  const disclosures = elements.map(({ path, text }) => {
    const salt = randomBytes(16).toString('base64url');
    return Buffer.from(`["${salt}",${JSON.stringify(path)},${text}]`, 'utf8').toString('base64url');
  });
  const digests = disclosures.map(digestOf);
  while (digests.length % digestGroup !== 0) digests.push(sha256(randomBytes(32)));
  const _sd = digests.map((digest) => Buffer.from(digest).toString('base64url')).sort();
  const payload = { ...claims, vct: sdJwtType, _sd_alg: 'sha-256', elements: { _sd } };
  const jwt = await new CompactSign(Buffer.from(JSON.stringify(payload)))
    .setProtectedHeader({ alg: 'ES256', typ: 'dc+sd-jwt', kid: key.publicJwk.kid })
    .sign(key.privateKey);
  return [jwt, ...disclosures, ''].join('~');
}

/** The document without the elements that `isKept` refuses: what a holder does before passing it on. @throws SdJwtRefused */
export function cutSdJwt(document: string, isKept: (path: string) => boolean): string {
  const { jwt, disclosures } = split(document);
  return [jwt, ...disclosures.filter((each) => isKept(readDisclosure(each).path)), ''].join('~');
}

/** What a document that holds says. */
export interface ShownSdJwt {
  readonly claims: SdJwtClaims;
  readonly elements: readonly Element[];
}

/** The document is none, was altered, or nobody who is trusted signed it. */
export class SdJwtRefused extends Error {
  override readonly name = 'SdJwtRefused';
}

/** @param keys of the issuer that the verifier trusts. @throws SdJwtRefused with the reason. */
export async function verifySdJwt(document: string, keys: readonly JWK[]): Promise<ShownSdJwt> {
  const { jwt, disclosures } = split(document);
  const payload = await signedPayload(jwt, keys);
  if (payload._sd_alg !== 'sha-256') throw new SdJwtRefused(`_sd_alg is ${String(payload._sd_alg)}, not sha-256`);
  if (payload.vct !== sdJwtType) throw new SdJwtRefused(`vct is ${String(payload.vct)}, not ${sdJwtType}`);
  const digests = (payload.elements as { _sd?: unknown } | undefined)?._sd;
  if (!Array.isArray(digests) || new Set(digests).size !== digests.length)
    throw new SdJwtRefused('the payload has no list of distinct digests');
  const left = new Set(digests as string[]);
  const paths = new Set<string>();
  const elements = disclosures.map((disclosure) => {
    if (!left.delete(Buffer.from(digestOf(disclosure)).toString('base64url')))
      throw new SdJwtRefused('a disclosure is not one that was signed, or stands there twice');
    const element = readDisclosure(disclosure);
    if (paths.has(element.path)) throw new SdJwtRefused(`${element.path} is shown twice`);
    paths.add(element.path);
    return element;
  });
  const { iss, iat, url, leaf } = payload as unknown as SdJwtClaims;
  if (typeof iss !== 'string' || typeof iat !== 'number' || typeof url !== 'string' || typeof leaf !== 'string')
    throw new SdJwtRefused('iss, iat, url or leaf is missing');
  return { claims: { iss, iat, url, leaf }, elements };
}

async function signedPayload(jwt: string, keys: readonly JWK[]): Promise<Record<string, unknown>> {
  for (const key of keys) {
    try {
      const { payload, protectedHeader } = await compactVerify(jwt, await importJWK(key, 'ES256'), {
        algorithms: ['ES256'],
      });
      if (protectedHeader.typ !== 'dc+sd-jwt') throw new SdJwtRefused(`typ is ${String(protectedHeader.typ)}`);
      return JSON.parse(Buffer.from(payload).toString('utf8')) as Record<string, unknown>;
    } catch (error) {
      if (error instanceof SdJwtRefused) throw error;
      // another key of the issuer may fit
    }
  }
  throw new SdJwtRefused('no key of the issuer signed this document');
}

function split(document: string): { jwt: string; disclosures: string[] } {
  const parts = document.trim().split('~');
  const last = parts.pop();
  const [jwt, ...disclosures] = parts;
  if (last === undefined || last !== '') throw new SdJwtRefused('no SD-JWT without key binding: it ends with a tilde');
  if (!/^[\w-]+\.[\w-]+\.[\w-]+$/.test(jwt ?? '')) throw new SdJwtRefused('no compact JWS before the first tilde');
  return { jwt, disclosures };
}

function readDisclosure(disclosure: string): Element {
  const text = Buffer.from(disclosure, 'base64url').toString('utf8');
  try {
    const value = JSON.parse(text) as unknown;
    parseJson(text);
    if (Array.isArray(value) && value.length === 3 && typeof value[0] === 'string' && typeof value[1] === 'string') {
      const head = `["${value[0]}",${JSON.stringify(value[1])},`;
      if (text.startsWith(head) && text.endsWith(']')) return { path: value[1], text: text.slice(head.length, -1) };
    }
  } catch {
    // told below
  }
  throw new SdJwtRefused('a disclosure is not base64url of [salt, path, value]');
}

function digestOf(disclosure: string): Uint8Array {
  return sha256(Buffer.from(disclosure, 'ascii'));
}
