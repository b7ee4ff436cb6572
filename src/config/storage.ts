/** What keeps things: the catalog, sealed blocks, master keys. */
import path from 'node:path';
import type { EnvReader } from './env-reader.js';

export type CatalogConfig =
  | { readonly kind: 'sqlite'; readonly file: string }
  /** `url` may have a password: it is never written anywhere. */
  | { readonly kind: 'mongo'; readonly url: string; readonly database?: string };

export type BlocksConfig =
  | { readonly kind: 'local'; readonly folder: string }
  | {
      readonly kind: 'kubo';
      /** RPC addresses; the first is read from first. */
      readonly urls: readonly string[];
      /** How many of them hold each block. */
      readonly replicas: number;
      readonly timeoutMs: number;
      /** How many nodes must have a block before a write is acknowledged. */
      readonly acknowledged: number;
      /** Sealed bytes kept in memory. */
      readonly cacheBytes: number;
    };

export type KeyRingConfig =
  | { readonly kind: 'file'; readonly file: string }
  /** The file is sealed for an RSA key pair on a PKCS#11 token. */
  | {
      readonly kind: 'pkcs11';
      readonly file: string;
      readonly module: string;
      readonly token: string;
      readonly key: string;
      readonly pinFile: string;
    };

/** MONGODB_...; without them SQLite below `dataDir`. */
export function catalogConfig(read: EnvReader, dataDir: string): CatalogConfig {
  const file = read.optional('MONGODB_URL_FILE');
  const given = read.optional('MONGODB_URL');
  const database = read.optional('MONGODB_DATABASE');
  const url = file === undefined ? given : read.secretIn('MONGODB_URL_FILE', file);
  if (file !== undefined && given !== undefined) read.problem('MONGODB_URL and MONGODB_URL_FILE are both set');
  if (url === undefined) {
    if (database !== undefined) read.problem('MONGODB_DATABASE is set, but MONGODB_URL is not');
    return { kind: 'sqlite', file: path.join(dataDir, 'catalog', 'catalog.sqlite') };
  }
  if (!/^mongodb(\+srv)?:\/\/./.test(url)) {
    read.problem('MONGODB_URL is of another form; expected mongodb://... or mongodb+srv://...');
  }
  if (database !== undefined && !/^[A-Za-z0-9_-]{1,60}$/.test(database)) {
    read.problem(`MONGODB_DATABASE is "${database}"; expected letters, digits, _ and -`);
  }
  return { kind: 'mongo', url, ...(database === undefined ? {} : { database }) };
}

/** KUBO_...; without them a folder below `dataDir`. */
export function blocksConfig(read: EnvReader, dataDir: string): BlocksConfig {
  const urls = read.list('KUBO_URLS').map((url) => url.replace(/\/+$/, ''));
  const replicas = read.optionalInteger('KUBO_REPLICAS', 1, 16);
  const timeoutMs = read.integer('KUBO_TIMEOUT_MS', 10_000, 100, 600_000);
  const cacheBytes = read.integer('KUBO_CACHE_MB', 64, 0, 1_000_000) * 1024 * 1024;
  if (urls.length === 0) {
    if (replicas !== undefined) read.problem('KUBO_REPLICAS is set, but KUBO_URLS is not');
    return { kind: 'local', folder: path.join(dataDir, 'blocks') };
  }
  for (const url of urls) {
    if (!/^https?:\/\/./.test(url)) read.problem(`KUBO_URLS has "${url}"; expected http or https URLs`);
  }
  if (replicas !== undefined && replicas > urls.length) {
    read.problem(`KUBO_REPLICAS is ${replicas}; KUBO_URLS names ${urls.length} nodes`);
  }
  const held = replicas ?? Math.min(2, urls.length);
  const acknowledged = read.integer('KUBO_ACKNOWLEDGED', 1, 1, 16);
  if (acknowledged > held) read.problem(`KUBO_ACKNOWLEDGED is ${acknowledged}; each block has ${held} replicas`);
  return { kind: 'kubo', urls, replicas: held, acknowledged, timeoutMs, cacheBytes };
}

/** KEY_RING, PKCS11_...: a file in `keysDir`, sealed or not. */
export function keyRingConfig(read: EnvReader, keysDir: string): KeyRingConfig {
  const file = path.join(keysDir, 'key-ring.json');
  const names = ['PKCS11_MODULE', 'PKCS11_TOKEN', 'PKCS11_PIN_FILE'] as const;
  const [module, token, pinFile] = names.map((name) => read.optional(name));
  const key = read.text('PKCS11_KEY', 'mooring');
  if (read.choice('KEY_RING', 'file', ['file', 'pkcs11']) === 'file') {
    const odd = names.find((name) => read.optional(name) !== undefined);
    if (odd !== undefined) read.problem(`${odd} is set, but KEY_RING is not pkcs11`);
    return { kind: 'file', file };
  }
  for (const name of names) {
    if (read.optional(name) === undefined) read.problem(`${name} is missing: KEY_RING=pkcs11 needs it`);
  }
  const resolved = [module, pinFile].map((text) => path.resolve(text ?? ''));
  return { kind: 'pkcs11', file, module: resolved[0]!, token: token ?? '', key, pinFile: resolved[1]! };
}
