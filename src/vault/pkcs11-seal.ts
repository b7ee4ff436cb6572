/**
 * A key ring that only a PKCS#11 token opens: the ring is sealed under a fresh key, and that key encrypted for an RSA key pair of the token.
 *
 * The token works once at every start, and not at all when the ring changes: then its public key is enough. It is driven through OpenSC's
 * `pkcs11-tool`, which every distribution has: no native addon is needed. RSA-OAEP with SHA-1, because SoftHSM and many cards know no other hash for
 * it; OAEP does not rest on its collision resistance (RFC 8017, section 7.1).
 */
import { execFile } from 'node:child_process';
import { constants, createPublicKey, publicEncrypt } from 'node:crypto';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { promisify } from 'node:util';
import { parsed, type RingForm } from './file-key-ring.js';
import { KeyUnavailable } from './key-ring.js';
import { randomBytes } from './random.js';
import { packRing, unpackRing } from './ring-secret.js';
import { keyBytes, nonceBytes, openBytes, sealBytes } from './xchacha.js';

const run = promisify(execFile);

export interface Pkcs11Token {
  /** The vendor's library, e.g. /usr/lib/softhsm/libsofthsm2.so. */
  readonly module: string;
  /** Label of the token. */
  readonly token: string;
  /** Label of the RSA key pair on it (2048 bits or more, usage decrypt). */
  readonly key: string;
  /** Of the user; never on a command line. */
  readonly pin: string;
  /** Default `pkcs11-tool`. */
  readonly tool?: string;
}

interface SealedFile {
  readonly version: 2;
  /** Label of the key on the token. */
  readonly key: string;
  /** Base64: the seal's key under RSA-OAEP. */
  readonly wrapped: string;
  /** Base64: nonce ‖ XChaCha20-Poly1305 of the ring. */
  readonly sealed: string;
}

const associated = Buffer.from('mooring key ring');
const timeoutMs = 30_000;

export function pkcs11Form(token: Pkcs11Token): RingForm {
  return {
    async encode(ring) {
      const key = randomBytes(keyBytes);
      const nonce = randomBytes(nonceBytes);
      const sealed = Buffer.concat([nonce, sealBytes(key, nonce, associated, packRing(ring))]);
      const wrapped = publicEncrypt(
        { key: await publicKeyOf(token), padding: constants.RSA_PKCS1_OAEP_PADDING, oaepHash: 'sha1' },
        key,
      );
      key.fill(0);
      const file: SealedFile = {
        version: 2,
        key: token.key,
        wrapped: wrapped.toString('base64'),
        sealed: sealed.toString('base64'),
      };
      return `${JSON.stringify(file)}\n`;
    },
    async decode(text, file) {
      const value = parsed(text, file) as Partial<SealedFile> | null;
      if (value?.version !== 2 || typeof value.wrapped !== 'string' || typeof value.sealed !== 'string') {
        throw new KeyUnavailable(`key ring ${file} is not sealed by a token; expected one that KEY_RING=pkcs11 wrote`);
      }
      // pkcs11-tool takes any key when it does not find the one that was named.
      if (value.key !== token.key) {
        throw new KeyUnavailable(
          `key ring ${file} is sealed for the key "${String(value.key)}", PKCS11_KEY is "${token.key}"`,
        );
      }
      const key = await decrypt(token, Buffer.from(value.wrapped, 'base64'));
      const sealed = Buffer.from(value.sealed, 'base64');
      const opened = openBytes(key, sealed.subarray(0, nonceBytes), associated, sealed.subarray(nonceBytes));
      return unpackRing(opened);
    },
  };
}

async function publicKeyOf(token: Pkcs11Token) {
  const der = await tool(token, async (folder) => {
    const file = path.join(folder, 'key');
    return { args: ['--read-object', '--type', 'pubkey', '--label', token.key, '--output-file', file], file };
  });
  return createPublicKey({ key: der, format: 'der', type: 'spki' });
}

function decrypt(token: Pkcs11Token, wrapped: Buffer): Promise<Buffer> {
  return tool(token, async (folder) => {
    const [input, file] = [path.join(folder, 'in'), path.join(folder, 'out')];
    await writeFile(input, wrapped, { mode: 0o600 });
    const mechanism = ['--mechanism', 'RSA-PKCS-OAEP', '--hash-algorithm', 'SHA-1', '--mgf', 'MGF1-SHA1'];
    const files = ['--input-file', input, '--output-file', file];
    return {
      args: ['--login', '--pin', 'env:MOORING_PIN', '--decrypt', ...mechanism, '--label', token.key, ...files],
      file,
    };
  });
}

/** Runs the tool in a folder of its own, which is gone afterwards. @throws KeyUnavailable with what the tool says. */
async function tool(
  token: Pkcs11Token,
  prepare: (folder: string) => Promise<{ readonly args: readonly string[]; readonly file: string }>,
): Promise<Buffer> {
  const folder = await mkdtemp(path.join(tmpdir(), 'mooring-pkcs11-'));
  try {
    const { args, file } = await prepare(folder);
    await run(token.tool ?? 'pkcs11-tool', ['--module', token.module, '--token-label', token.token, ...args], {
      env: { ...process.env, MOORING_PIN: token.pin },
      timeout: timeoutMs,
    });
    return await readFile(file);
  } catch (error) {
    throw new KeyUnavailable(`token "${token.token}", key "${token.key}": ${reasonOf(error)}`);
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

function reasonOf(error: unknown): string {
  const { code, stderr = '' } = error as { code?: unknown; stderr?: string };
  if (code === 'ENOENT') return 'pkcs11-tool is missing (package opensc), or it found no such object';
  const lines = stderr.split('\n').filter((line) => /error|not found|CKR_|failed/i.test(line));
  return lines.join('; ') || (error as Error).message.split('\n')[0]!;
}
