/**
 * Environment -> configuration, decided once at start; every contradiction is told at once.
 *
 * One file a topic in src/config. README.md has the table of the variables; a test holds both together.
 */
import path from 'node:path';
import { logLevels, type LogLevel } from './base/log.js';
import { anchoringConfig, chainConfig, type AnchoringConfig, type ChainConfig } from './config/chain.js';
import { consentConfig, type ConsentConfig } from './config/consent.js';
import { ConfigError, EnvReader } from './config/env-reader.js';
import { fhirSettings, type FhirSettings } from './config/fhir.js';
import { servingConfig, type ServingConfig } from './config/serving.js';
import { smartConfig, type SmartConfig } from './config/smart.js';
import { blocksConfig, catalogConfig, keyRingConfig } from './config/storage.js';
import type { BlocksConfig, CatalogConfig, KeyRingConfig } from './config/storage.js';

export type { FurtherChain } from './config/chain.js';
export type { PolicyEffect } from './config/consent.js';
export { ConfigError, type BlocksConfig, type CatalogConfig, type ChainConfig, type KeyRingConfig };
export type { AnchoringConfig, ConsentConfig, FhirSettings, ServingConfig, SmartConfig };

/** All that a server is started with. */
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
  readonly anchoring: AnchoringConfig;
  readonly consent: ConsentConfig;
  readonly fhir: FhirSettings;
  readonly smart: SmartConfig;
  readonly serving: ServingConfig;
  readonly keyRing: KeyRingConfig;
  readonly logLevel: LogLevel;
}

/** @throws ConfigError naming every variable that is wrong, what it holds and what was expected. */
export function readConfig(env: NodeJS.ProcessEnv): Config {
  const problems: string[] = [];
  const read = new EnvReader(env, problems);
  const dataDir = path.resolve(read.text('DATA_DIR', './data'));
  const keysDir = path.resolve(read.text('KEYS_DIR', path.join(dataDir, 'keys')));
  const catalog = catalogConfig(read, dataDir);
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
    catalog,
    blocks: blocksConfig(read, dataDir),
    keysDir,
    chain: chainConfig(read, dataDir),
    anchoring: anchoringConfig(read),
    consent: consentConfig(read),
    fhir: fhirSettings(read),
    smart: smartConfig(read, dataDir, catalog),
    serving: servingConfig(read),
    keyRing: keyRingConfig(read, keysDir),
    logLevel: read.choice('LOG_LEVEL', 'info', logLevels),
  };
  if (problems.length > 0) throw new ConfigError(problems);
  return config;
}
