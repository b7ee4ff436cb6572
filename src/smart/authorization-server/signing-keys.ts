/** The keys that sign id tokens: made once, sealed in the store, shared by every server on it. Spec: RFC 7517. */
import { generateKeyPair } from 'node:crypto';
import { promisify } from 'node:util';
import { calculateJwkThumbprint, exportJWK, type JWK } from 'jose';
import type { SealedStore } from '../store/sealed-store.js';

const kind = 'SigningKeys';
const name = 'current';

/** A private RSA key (RS256: what SMART asks of id tokens) as a key set. */
export async function signingKeys(store: SealedStore): Promise<{ keys: JWK[] }> {
  const found = await store.get<{ keys: JWK[] }>(kind, name);
  if (found !== undefined) return found.value;
  const { privateKey } = await promisify(generateKeyPair)('rsa', { modulusLength: 2048 });
  const jwk = await exportJWK(privateKey);
  const keys = { keys: [{ ...jwk, alg: 'RS256', use: 'sig', kid: await calculateJwkThumbprint(jwk) }] };
  // Another server may have been faster: then its keys count.
  if (await store.putNew(kind, name, keys, {}, 0)) return keys;
  return (await store.get<{ keys: JWK[] }>(kind, name))?.value ?? keys;
}
