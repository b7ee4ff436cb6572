/** The chain (the embedded one or an operator's), who pays on it, and how the log is anchored there. */
import path from 'node:path';
import type { EnvReader } from './env-reader.js';

export type ChainConfig =
  | { readonly kind: 'embedded'; readonly folder: string }
  | {
      readonly kind: 'rpc';
      /** The first of `urls`. */
      readonly url: string;
      /** Endpoints of the same chain: when one does not answer, the next is asked. */
      readonly urls: readonly string[];
      readonly chainId: number;
      /** A private key, or a keystore (Web3 Secret Storage) whose password is in `passwordFile`. */
      readonly keyFile: string;
      readonly passwordFile?: string;
    };

/** When a batch is made, who attests it, and where it goes beside the first chain. */
export interface AnchoringConfig {
  /** Leaves that make a batch due at once. */
  readonly batchSize: number;
  /** Oldest age of a leaf that makes a batch due, milliseconds. */
  readonly maxAgeMs: number;
  readonly confirmations: number;
  /** File with the validators that attest (ValidatorDescription[]); absent: the one inside the server does. */
  readonly validators?: string;
  /** Bound on a validator's answer, milliseconds. */
  readonly attestationTimeoutMs: number;
  /** Further chains that the same log is anchored on. */
  readonly chains: readonly FurtherChain[];
}

/** An operator's chain beside the first one: its id, endpoint, and the file of the key that pays. */
export interface FurtherChain {
  readonly chainId: number;
  readonly url: string;
  readonly keyFile: string;
}

/** CHAIN_RPC_URL and what goes with it; without it the embedded chain below `dataDir`. */
export function chainConfig(read: EnvReader, dataDir: string): ChainConfig {
  const urls = chainUrls(read, read.list('CHAIN_RPC_URL'));
  const [url] = urls;
  const chainId = read.optionalInteger('CHAIN_ID', 1, Number.MAX_SAFE_INTEGER);
  const keyFile = read.optional('CHAIN_KEY_FILE');
  const passwordFile = read.optional('CHAIN_KEY_PASSWORD_FILE');
  if (url === undefined) {
    if (chainId !== undefined)
      read.problem('CHAIN_ID is set, but CHAIN_RPC_URL is not: the embedded chain has an id of its own');
    if (keyFile !== undefined)
      read.problem('CHAIN_KEY_FILE is set, but CHAIN_RPC_URL is not: the embedded chain has a key of its own');
    if (passwordFile !== undefined) read.problem('CHAIN_KEY_PASSWORD_FILE is set, but CHAIN_RPC_URL is not');
    return { kind: 'embedded', folder: path.join(dataDir, 'chain') };
  }
  if (chainId === undefined)
    read.problem('CHAIN_ID is missing: with CHAIN_RPC_URL, the id that the chain must have is expected');
  if (keyFile === undefined)
    read.problem('CHAIN_KEY_FILE is missing: with CHAIN_RPC_URL, the file of the key that pays is expected');
  return {
    kind: 'rpc',
    url,
    urls,
    chainId: chainId ?? 0,
    keyFile: path.resolve(keyFile ?? ''),
    ...(passwordFile === undefined ? {} : { passwordFile: path.resolve(passwordFile) }),
  };
}

function chainUrls(read: EnvReader, given: readonly string[]): string[] {
  return given.flatMap((text) => {
    const url = text.replace(/\/+$/, '');
    if (/^https?:\/\/./.test(url) && URL.canParse(url)) return [url];
    read.problem(`CHAIN_RPC_URL has "${text}"; expected http or https URLs`);
    return [];
  });
}

/** ANCHOR_..., VALIDATORS, CHAINS. */
export function anchoringConfig(read: EnvReader): AnchoringConfig {
  return {
    batchSize: read.integer('ANCHOR_BATCH_SIZE', 1_000, 1, 1_000_000),
    maxAgeMs: read.integer('ANCHOR_MAX_AGE_MS', 1_000, 10, 86_400_000),
    confirmations: read.integer('ANCHOR_CONFIRMATIONS', 1, 1, 1_000),
    ...validatorsFile(read),
    attestationTimeoutMs: read.integer('ATTESTATION_TIMEOUT_MS', 30_000, 100, 600_000),
    chains: furtherChains(read),
  };
}

function validatorsFile(read: EnvReader): { validators?: string } {
  const file = read.optional('VALIDATORS');
  return file === undefined ? {} : { validators: path.resolve(file) };
}

/** `1337;http://node:8545;./keys/1337.key,…` */
function furtherChains(read: EnvReader): FurtherChain[] {
  const chains = read.list('CHAINS').flatMap((text): FurtherChain[] => {
    const [id, url, keyFile, ...rest] = text.split(';');
    const isUrl = URL.canParse(url ?? '') && /^https?:/.test(url);
    if (/^[1-9][0-9]{0,15}$/.test(id) && isUrl && keyFile && rest.length === 0)
      return [{ chainId: Number(id), url: url.replace(/\/+$/, ''), keyFile: path.resolve(keyFile) }];
    read.problem(`CHAINS has "${text}"; expected id;url;keyfile`);
    return [];
  });
  if (new Set(chains.map(({ chainId }) => chainId)).size < chains.length) read.problem('CHAINS names a chain twice');
  return chains;
}
