/** `mooring verify --sd-jwt`: checks an SD-JWT of disclosed elements against its issuer's keys. */
import { readFile } from 'node:fs/promises';
import type { JWK } from 'jose';
import { SdJwtRefused, verifySdJwt } from '../anchoring/sd-jwt.js';

/**
 * @param file document, or the Parameters that `$disclose` answered. @param keys file or URL of a JWK set, or of issuer metadata with one.
 * @returns exit status: 0 it holds, 1 it does not, 2 the question is wrong, 3 the keys cannot be fetched.
 */
export async function verifySdJwtFile(file: string, keys: string): Promise<number> {
  let text: string;
  try {
    text = documentIn(await readFile(file, 'utf8'));
  } catch (error) {
    console.error((error as Error).message);
    return 2;
  }
  let trusted: JWK[];
  try {
    trusted = keysIn(keys.startsWith('http') ? await fetched(keys) : await readFile(keys, 'utf8'));
  } catch (error) {
    console.error(`The issuer's keys could not be read from ${keys}: ${(error as Error).message}`);
    return 3;
  }
  try {
    const { claims, elements } = await verifySdJwt(text, trusted);
    console.log(`The document holds: ${claims.url}`);
    console.log(`  issuer     ${claims.iss}, ${new Date(claims.iat * 1000).toISOString()}`);
    console.log(`  leaf       ${claims.leaf}`);
    for (const { path, text: value } of elements) console.log(`  element    ${path} = ${value}`);
    return 0;
  } catch (error) {
    if (!(error instanceof SdJwtRefused)) throw error;
    console.error(`The document does not hold: ${error.message}`);
    return 1;
  }
}

/** Of the FHIR answer, or the bare document. */
function documentIn(text: string): string {
  if (!text.trimStart().startsWith('{')) return text;
  const { parameter = [] } = JSON.parse(text) as { parameter?: { name: string; valueString?: string }[] };
  const found = parameter.find(({ name }) => name === 'sdJwt')?.valueString;
  if (found === undefined) throw new Error('the file holds no SD-JWT');
  return found;
}

function keysIn(text: string): JWK[] {
  const { keys, jwks } = JSON.parse(text) as { keys?: JWK[]; jwks?: { keys?: JWK[] } };
  const found = keys ?? jwks?.keys;
  if (!Array.isArray(found)) throw new Error('no set of keys is there');
  return found;
}

async function fetched(url: string): Promise<string> {
  const response = await fetch(url, { signal: AbortSignal.timeout(10_000) });
  if (!response.ok) throw new Error(`status ${response.status}`);
  return response.text();
}
