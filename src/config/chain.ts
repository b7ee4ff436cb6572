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
      /** WebSocket endpoints of it that tell of new blocks; none: the chain is polled. */
      readonly headUrls: readonly string[];
      readonly chainId: number;
      readonly payer: PayerConfig;
    };

/** Who signs, and pays for, what the server sends. */
export type PayerConfig =
  /** A private key, or a keystore (Web3 Secret Storage) whose password is in `passwordFile`; the other senders' keys are derived from it. */
  | { readonly kind: 'key'; readonly keyFile: string; readonly passwordFile?: string }
  /** Addresses of three accounts (one a sender, so that nonces never race) that the signer at `url` keeps. */
  | {
      readonly kind: 'signer';
      readonly url: string;
      readonly deployer: `0x${string}`;
      readonly anchorer: `0x${string}`;
      readonly publisher: `0x${string}`;
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
  /** Seconds between two heads of the access log in the anchored log; 0: none. */
  readonly accessHeadEveryS: number;
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
  const all = chainUrls(read, read.list('CHAIN_RPC_URL'));
  const headUrls = all.filter((url) => url.startsWith('ws'));
  const urls = all.filter((url) => !headUrls.includes(url));
  const [url] = urls;
  const chainId = read.optionalInteger('CHAIN_ID', 1, Number.MAX_SAFE_INTEGER);
  if (url !== undefined && chainId === undefined)
    read.problem('CHAIN_ID is missing: with CHAIN_RPC_URL, the id that the chain must have is expected');
  const payer = payerConfig(read, url !== undefined);
  if (url === undefined) {
    if (headUrls.length > 0)
      read.problem('CHAIN_RPC_URL names WebSocket endpoints alone; expected an http or https one too');
    if (chainId !== undefined)
      read.problem('CHAIN_ID is set, but CHAIN_RPC_URL is not: the embedded chain has an id of its own');
    return { kind: 'embedded', folder: path.join(dataDir, 'chain') };
  }
  return { kind: 'rpc', url, urls, headUrls, chainId: chainId ?? 0, payer };
}

function chainUrls(read: EnvReader, given: readonly string[]): string[] {
  return given.flatMap((text) => {
    const url = text.replace(/\/+$/, '');
    if (/^(?:http|ws)s?:\/\/./.test(url) && URL.canParse(url)) return [url];
    read.problem(`CHAIN_RPC_URL has "${text}"; expected http, https, ws or wss URLs`);
    return [];
  });
}

function payerConfig(read: EnvReader, hasChain: boolean): PayerConfig {
  const keyFile = read.optional('CHAIN_KEY_FILE');
  const passwordFile = read.optional('CHAIN_KEY_PASSWORD_FILE');
  const url = read.url('CHAIN_SIGNER_URL');
  const accounts = read.list('CHAIN_SIGNER_ACCOUNTS').map((account) => account.toLowerCase() as `0x${string}`);
  if (!hasChain) {
    if (keyFile !== undefined)
      read.problem('CHAIN_KEY_FILE is set, but CHAIN_RPC_URL is not: the embedded chain has a key of its own');
    if (passwordFile !== undefined) read.problem('CHAIN_KEY_PASSWORD_FILE is set, but CHAIN_RPC_URL is not');
    if (url !== undefined) read.problem('CHAIN_SIGNER_URL is set, but CHAIN_RPC_URL is not');
  }
  if (url === undefined) {
    if (accounts.length > 0) read.problem('CHAIN_SIGNER_ACCOUNTS is set, but CHAIN_SIGNER_URL is not');
    if (hasChain && keyFile === undefined)
      read.problem(
        'CHAIN_KEY_FILE is missing: with CHAIN_RPC_URL, the file of the key that pays (or CHAIN_SIGNER_URL) is expected',
      );
    return {
      kind: 'key',
      keyFile: path.resolve(keyFile ?? ''),
      ...(passwordFile === undefined ? {} : { passwordFile: path.resolve(passwordFile) }),
    };
  }
  if (keyFile !== undefined) read.problem('CHAIN_KEY_FILE and CHAIN_SIGNER_URL are both set; expected one of them');
  const isFit = accounts.every((account) => /^0x[0-9a-f]{40}$/.test(account));
  if (!isFit || new Set(accounts).size !== 3 || accounts.length !== 3)
    read.problem(
      'CHAIN_SIGNER_ACCOUNTS is of another form; expected three different addresses: who deploys, anchors, publishes consents',
    );
  const [deployer, anchorer, publisher] = accounts as [`0x${string}`, `0x${string}`, `0x${string}`];
  return { kind: 'signer', url, deployer, anchorer, publisher };
}

/** ANCHOR_..., VALIDATORS, CHAINS. */
export function anchoringConfig(read: EnvReader): AnchoringConfig {
  return {
    batchSize: read.integer('ANCHOR_BATCH_SIZE', 1_000, 1, 1_000_000),
    maxAgeMs: read.integer('ANCHOR_MAX_AGE_MS', 1_000, 10, 86_400_000),
    confirmations: read.integer('ANCHOR_CONFIRMATIONS', 1, 1, 1_000),
    ...validatorsFile(read),
    attestationTimeoutMs: read.integer('ATTESTATION_TIMEOUT_MS', 30_000, 100, 600_000),
    accessHeadEveryS: read.integer('ACCESS_HEAD_EVERY_S', 600, 0, 86_400),
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
