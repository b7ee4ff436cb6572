/**
 * Environment -> configuration, decided once at start; every contradiction is told at once.
 *
 * README.md has the table of the variables; a test holds both together.
 */
import { readFileSync } from 'node:fs';
import path from 'node:path';

export interface Config {
  readonly host: string;
  /** 0: any free port. */
  readonly port: number;
  /** Absolute folder of everything that is kept. */
  readonly dataDir: string;
  /** Public address without `/fhir`, when it differs from host and port (behind a proxy). */
  readonly publicUrl?: string;
  /** Reference of the organisation that runs this server. */
  readonly organization: string;
  readonly catalog: CatalogConfig;
  readonly blocks: BlocksConfig;
  /** Folder of the key ring: the same for all servers of one log. */
  readonly keysDir: string;
  readonly chain: ChainConfig;
  readonly anchoring: {
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
  };
  readonly consent: {
    /** What holds for a patient without a Consent. */
    readonly defaultPolicy: 'deny' | 'permit';
    /** How old the newest answer of the chain may be before reads end in 503, milliseconds. */
    readonly maxStalenessMs: number;
    /** Overarching policies (URI or code of `policyRule`) beside the known ones, and what they say where a Consent says nothing. */
    readonly policies: readonly (readonly [name: string, effect: PolicyEffect])[];
    /** Blocks after which a filing or revocation stops to be pending. */
    readonly confirmations: number;
    readonly breakGlass: {
      /** `system|code` of roles, or references, whose holders may declare emergencies; none: nobody may. */
      readonly roles: readonly string[];
      readonly minutes: number;
      /** Reference of who gets a Task for each emergency; absent: the organisation that runs this server. */
      readonly reviewer?: string;
    };
    /** Who may write Consents that are in force beside the patient: the server's organisation and its members, or anybody whom consent lets. */
    readonly authors: 'organization' | 'any';
    /** Whom a Consent may name: anybody, or those alone who are stored here (under REFERENTIAL_INTEGRITY). */
    readonly actors: 'any' | 'stored';
  };
  readonly fhir: {
    readonly maxBodyBytes: number;
    /** Which words of resources the index holds, for `_text` and `_content`. */
    readonly indexWords: 'none' | 'narrative' | 'all';
    readonly updateCreate: 'on' | 'operator' | 'off';
    readonly referentialIntegrity: boolean;
    readonly unknownProfile: 'warning' | 'error';
    /** `warning`: a write with warnings is refused too. */
    readonly refusedSeverity: 'error' | 'warning';
    /** Warn where best practice is not followed (a resource without narrative, ...). */
    readonly bestPractice: boolean;
    /** Resource type to canonical URLs of profiles that every instance must meet. */
    readonly demandedProfiles: Readonly<Record<string, readonly string[]>>;
    /** A server that knows SNOMED CT, LOINC and the rest; absent: their codes stay unchecked, with a warning. */
    readonly terminology?: { readonly url: string; readonly timeoutMs: number; readonly tokenFile?: string };
    /** FHIR packages (.tgz) to load beside those in profiles/. */
    readonly packages: readonly string[];
    /** Origins that browsers may call from; `*` for any. */
    readonly allowedOrigins: readonly string[];
  };
  readonly smart: SmartConfig;
  readonly serving: ServingConfig;
  readonly keyRing: KeyRingConfig;
  readonly logLevel: 'silent' | 'error' | 'info';
}

/** Bounds in front of every door. */
export interface ServingConfig {
  /** Requests a second of one client, and as many at once; 0: no bound. */
  readonly ratePerSecond: number;
  /** Requests under way. */
  readonly maxRequests: number;
  /** Bytes of bodies under way. */
  readonly maxBodiesBytes: number;
  /** Port of the operator's own for /metrics and /health, on 127.0.0.1; absent: none. */
  readonly metricsPort?: number;
  /** How long a stopping server goes on answering while it tells load balancers that it is not ready. */
  readonly drainMs: number;
}

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

/** Who issues tokens, and what apps and roles may do. */
export interface SmartConfig {
  readonly issuer:
    | { readonly kind: 'built-in'; readonly registration: 'off' | 'token' | 'open' }
    /** Tokens of another authorization server: Keycloak, a national identity provider, ... */
    | {
        readonly kind: 'outside';
        readonly url: string;
        /** What `aud` must name; absent: the FHIR base URL. */
        readonly audience?: string;
        readonly jwksUrl?: string;
        /** Our claim -> path in the token, e.g. `roles` -> `realm_access.roles`. */
        readonly claims: Readonly<Record<string, string>>;
        /** Claims that identify a person, with the system of that identifier. */
        readonly identifiers: readonly (readonly [claim: string, system: string])[];
        /** For tokens that name no clinical scope. */
        readonly defaultScope?: string;
      }
    | { readonly kind: 'none' };
  /** Tokens of `mooring token` are taken. */
  readonly localTokens: boolean;
  /** DPoP proofs without a nonce are refused. */
  readonly requiresNonce: boolean;
  /** Key sets of apps may lie in private networks. */
  readonly privateKeySets: boolean;
  readonly store: { readonly kind: 'sqlite'; readonly file: string };
  /** Instead of profiles/role-matrix.json. */
  readonly roleMatrixFile?: string;
}

/** An operator's chain beside the first one: its id, endpoint, and the file of the key that pays. */
export interface FurtherChain {
  readonly chainId: number;
  readonly url: string;
  readonly keyFile: string;
}

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

/** All that is wrong with the environment, one line each. */
export class ConfigError extends Error {
  override readonly name = 'ConfigError';
  constructor(readonly problems: readonly string[]) {
    super(problems.join('\n'));
  }
}

/** @throws ConfigError naming every variable that is wrong, what it holds and what was expected. */
export function readConfig(env: NodeJS.ProcessEnv): Config {
  const problems: string[] = [];
  const read = new EnvReader(env, problems);
  const dataDir = path.resolve(read.text('DATA_DIR', './data'));
  const config: Config = {
    host: read.text('HOST', '127.0.0.1'),
    port: read.integer('PORT', 8080, 0, 65_535),
    dataDir,
    publicUrl: read.url('PUBLIC_URL'),
    organization: read.matching(
      'ORGANIZATION',
      'Organization/self',
      /^Organization\/[A-Za-z0-9\-.]{1,64}$/,
      'Organization/<id>',
    ),
    catalog: catalogConfig(read, dataDir),
    blocks: blocksConfig(read, dataDir),
    keysDir: path.resolve(read.text('KEYS_DIR', path.join(dataDir, 'keys'))),
    chain: chainConfig(read, dataDir),
    anchoring: {
      batchSize: read.integer('ANCHOR_BATCH_SIZE', 1_000, 1, 1_000_000),
      maxAgeMs: read.integer('ANCHOR_MAX_AGE_MS', 1_000, 10, 86_400_000),
      confirmations: read.integer('ANCHOR_CONFIRMATIONS', 1, 1, 1_000),
      ...validatorsFile(read),
      attestationTimeoutMs: read.integer('ATTESTATION_TIMEOUT_MS', 30_000, 100, 600_000),
      chains: furtherChains(read),
    },
    consent: {
      defaultPolicy: read.choice('DEFAULT_CONSENT', 'deny', ['deny', 'permit']),
      maxStalenessMs: read.integer('CONSENT_MAX_STALENESS_MS', 10_000, 100, 3_600_000),
      policies: policies(read),
      confirmations: read.integer('CONSENT_CONFIRMATIONS', 1, 1, 1_000),
      breakGlass: {
        roles: read.list('BREAK_GLASS_ROLES'),
        minutes: read.integer('BREAK_GLASS_MINUTES', 60, 1, 10_080),
        reviewer: read.optionalMatching(
          'BREAK_GLASS_REVIEWER',
          /^[A-Z][A-Za-z]+\/[A-Za-z0-9\-.]{1,64}$/,
          'a reference',
        ),
      },
      authors: read.choice('CONSENT_AUTHORS', 'organization', ['organization', 'any']),
      actors: read.choice('CONSENT_ACTORS', 'any', ['any', 'stored']),
    },
    fhir: {
      maxBodyBytes: read.integer('MAX_BODY_MB', 64, 1, 1_024) * 1024 * 1024,
      indexWords: read.choice('INDEX_WORDS', 'narrative', ['none', 'narrative', 'all']),
      updateCreate: read.choice('UPDATE_CREATE', 'operator', ['on', 'operator', 'off']),
      referentialIntegrity: read.choice('REFERENTIAL_INTEGRITY', 'on', ['on', 'off']) === 'on',
      unknownProfile: read.choice('UNKNOWN_PROFILE', 'warning', ['warning', 'error']),
      refusedSeverity: read.choice('REFUSED_SEVERITY', 'error', ['error', 'warning']),
      bestPractice: read.choice('BEST_PRACTICE', 'off', ['on', 'off']) === 'on',
      demandedProfiles: demandedProfiles(read),
      terminology: terminologyConfig(read),
      packages: read.list('PACKAGES').map((file) => path.resolve(file)),
      allowedOrigins: read.list('ALLOWED_ORIGINS'),
    },
    smart: smartConfig(read, dataDir),
    serving: {
      ratePerSecond: read.integer('RATE_LIMIT', 0, 0, 1_000_000),
      maxRequests: read.integer('MAX_REQUESTS', 1_024, 1, 100_000),
      maxBodiesBytes: read.integer('MAX_BODIES_MB', 256, 1, 65_536) * 1024 * 1024,
      metricsPort: read.optionalInteger('METRICS_PORT', 0, 65_535),
      drainMs: read.integer('DRAIN_MS', 0, 0, 600_000),
    },
    keyRing: keyRingConfig(read, path.resolve(read.text('KEYS_DIR', path.join(dataDir, 'keys')))),
    logLevel: read.choice('LOG_LEVEL', 'info', ['silent', 'error', 'info']),
  };
  if (problems.length > 0) throw new ConfigError(problems);
  return config;
}

const policyEffects = ['permit', 'deny', 'none'] as const;
export type PolicyEffect = (typeof policyEffects)[number];

function policies(read: EnvReader): [string, PolicyEffect][] {
  return read.list('CONSENT_POLICIES').flatMap((text): [string, PolicyEffect][] => {
    const at = text.lastIndexOf('=');
    const effect = policyEffects.find((known) => known === text.slice(at + 1));
    if (at > 0 && effect !== undefined) return [[text.slice(0, at), effect]];
    read.problem(`CONSENT_POLICIES has "${text}"; expected name=effect, the effect one of ${policyEffects.join(', ')}`);
    return [];
  });
}

function catalogConfig(read: EnvReader, dataDir: string): CatalogConfig {
  const file = read.optional('MONGODB_URL_FILE');
  const given = read.optional('MONGODB_URL');
  const database = read.optional('MONGODB_DATABASE');
  const url = file === undefined ? given : secretIn(read, 'MONGODB_URL_FILE', file);
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

function blocksConfig(read: EnvReader, dataDir: string): BlocksConfig {
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

/** The trimmed text of a secret's file. */
function secretIn(read: EnvReader, name: string, file: string): string | undefined {
  try {
    return readFileSync(file, 'utf8').trim();
  } catch (error) {
    read.problem(`${name} is "${file}", which cannot be read: ${(error as Error).message}`);
    return undefined;
  }
}

function chainUrls(read: EnvReader, given: readonly string[]): string[] {
  return given.flatMap((text) => {
    const url = text.replace(/\/+$/, '');
    if (/^https?:\/\/./.test(url) && URL.canParse(url)) return [url];
    read.problem(`CHAIN_RPC_URL has "${text}"; expected http or https URLs`);
    return [];
  });
}

function chainConfig(read: EnvReader, dataDir: string): ChainConfig {
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

function smartConfig(read: EnvReader, dataDir: string): SmartConfig {
  const matrix = read.optional('ROLE_MATRIX');
  const isPublic = read.text('PUBLIC_URL', '').startsWith('https:');
  return {
    issuer: issuerConfig(read),
    localTokens: read.choice('LOCAL_TOKENS', 'on', ['on', 'off']) === 'on',
    requiresNonce: read.choice('DPOP_NONCE', 'optional', ['optional', 'required']) === 'required',
    privateKeySets: read.choice('PRIVATE_KEY_SETS', isPublic ? 'off' : 'on', ['on', 'off']) === 'on',
    store: { kind: 'sqlite', file: path.join(dataDir, 'smart', 'store.sqlite') },
    ...(matrix === undefined ? {} : { roleMatrixFile: path.resolve(matrix) }),
  };
}

const claimForm = /^(fhirUser|patient|roles|scope|memberships|purpose_of_use|client_id)=([A-Za-z0-9_.:/-]+)$/;

function issuerConfig(read: EnvReader): SmartConfig['issuer'] {
  const url = read.url('ISSUER_URL');
  const audience = read.optional('ISSUER_AUDIENCE');
  const jwksUrl = read.url('ISSUER_JWKS_URL');
  const claims: Record<string, string> = {};
  for (const pair of read.list('ISSUER_CLAIMS')) {
    const [, name, place] = claimForm.exec(pair) ?? [];
    if (name === undefined) read.problem(`ISSUER_CLAIMS has "${pair}"; expected e.g. roles=realm_access.roles`);
    else claims[name] = place;
  }
  const identifiers: [string, string][] = [];
  for (const pair of read.list('ISSUER_IDENTIFIERS')) {
    const [, claim, system] = /^([A-Za-z0-9_.:/-]+)=(\S+)$/.exec(pair) ?? [];
    if (claim === undefined) read.problem(`ISSUER_IDENTIFIERS has "${pair}"; expected claim=system`);
    else identifiers.push([claim, system]);
  }
  const defaultScope = read.optional('ISSUER_SCOPE');
  const registration = read.choice('REGISTRATION', 'off', ['off', 'token', 'open']);
  const isOn = read.choice('AUTHORIZATION_SERVER', url === undefined ? 'on' : 'off', ['on', 'off']) === 'on';
  if (url !== undefined) {
    if (isOn) read.problem('AUTHORIZATION_SERVER is on, but ISSUER_URL names another one; expected one of them');
    return { kind: 'outside', url, audience, jwksUrl, claims, identifiers, defaultScope };
  }
  const isSet = audience ?? jwksUrl ?? defaultScope ?? Object.keys(claims)[0] ?? identifiers[0];
  if (isSet !== undefined) read.problem('another variable that begins with ISSUER_ is set, but ISSUER_URL is not');
  return isOn ? { kind: 'built-in', registration } : { kind: 'none' };
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

function keyRingConfig(read: EnvReader, keysDir: string): KeyRingConfig {
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

/** `Patient=http://…,Patient=http://…,Observation=http://…` */
function demandedProfiles(read: EnvReader): Record<string, string[]> {
  const demanded: Record<string, string[]> = {};
  for (const pair of read.list('DEMANDED_PROFILES')) {
    const [, type, url] = /^([A-Z][A-Za-z]+)=([a-z]+:.+)$/.exec(pair) ?? [];
    if (type === undefined) read.problem(`DEMANDED_PROFILES has "${pair}"; expected TYPE=URL`);
    else (demanded[type] ??= []).push(url);
  }
  return demanded;
}

function terminologyConfig(read: EnvReader): Config['fhir']['terminology'] {
  const url = read.url('TERMINOLOGY_URL');
  const timeoutMs = read.integer('TERMINOLOGY_TIMEOUT_MS', 2_000, 10, 60_000);
  const tokenFile = read.optional('TERMINOLOGY_TOKEN_FILE');
  if (url !== undefined) return { url, timeoutMs, ...(tokenFile ? { tokenFile: path.resolve(tokenFile) } : {}) };
  if (tokenFile !== undefined) read.problem('TERMINOLOGY_TOKEN_FILE is set, but TERMINOLOGY_URL is not');
  return undefined;
}

/** Reads variables and collects what is wrong with them. An empty variable counts as not set. */
class EnvReader {
  constructor(
    private readonly env: NodeJS.ProcessEnv,
    private readonly problems: string[],
  ) {}

  problem(text: string): void {
    this.problems.push(text);
  }

  optional(name: string): string | undefined {
    return this.env[name] === undefined || this.env[name] === '' ? undefined : this.env[name];
  }

  text(name: string, fallback: string): string {
    return this.optional(name) ?? fallback;
  }

  matching(name: string, fallback: string, form: RegExp, expected: string): string {
    const value = this.text(name, fallback);
    if (!form.test(value)) this.problem(`${name} is "${value}"; expected ${expected}`);
    return value;
  }

  optionalMatching(name: string, form: RegExp, expected: string): string | undefined {
    return this.optional(name) === undefined ? undefined : this.matching(name, '', form, expected);
  }

  optionalInteger(name: string, least: number, most: number): number | undefined {
    const text = this.optional(name);
    if (text === undefined) return undefined;
    const value = /^[0-9]{1,16}$/.test(text) ? Number(text) : Number.NaN;
    if (value >= least && value <= most) return value;
    this.problem(`${name} is "${text}"; expected a whole number from ${least} to ${most}`);
    return undefined;
  }

  integer(name: string, fallback: number, least: number, most: number): number {
    return this.optionalInteger(name, least, most) ?? fallback;
  }

  choice<T extends string>(name: string, fallback: T, choices: readonly T[]): T {
    const value = this.text(name, fallback);
    const found = choices.find((choice) => choice === value);
    if (found === undefined) this.problem(`${name} is "${value}"; expected one of ${choices.join(', ')}`);
    return found ?? fallback;
  }

  url(name: string): string | undefined {
    const text = this.optional(name);
    if (text === undefined) return undefined;
    const { protocol } = URL.canParse(text) ? new URL(text) : { protocol: '' };
    if (protocol === 'http:' || protocol === 'https:') return text.replace(/\/+$/, '');
    this.problem(`${name} is "${text}"; expected an http or https URL`);
    return undefined;
  }

  list(name: string): string[] {
    return this.text(name, '')
      .split(',')
      .map((part) => part.trim())
      .filter((part) => part !== '');
  }
}
