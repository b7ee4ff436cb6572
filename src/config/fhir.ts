/** What the FHIR door takes, demands and offers. */
import path from 'node:path';
import type { EnvReader } from './env-reader.js';

/** Limits and rules of the FHIR door. */
export interface FhirSettings {
  readonly maxBodyBytes: number;
  /** Which words of resources the index holds, for `_text` and `_content`. */
  readonly indexWords: 'none' | 'narrative' | 'all';
  /** Whether older resources are made findable by a new SearchParameter without being asked for. */
  readonly reindex: 'auto' | 'manual';
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
}

/** Everything of FHIR itself: sizes, indexing, integrity, profiles, terminology, packages. */
export function fhirSettings(read: EnvReader): FhirSettings {
  return {
    maxBodyBytes: read.integer('MAX_BODY_MB', 64, 1, 1_024) * 1024 * 1024,
    indexWords: read.choice('INDEX_WORDS', 'narrative', ['none', 'narrative', 'all']),
    reindex: read.choice('REINDEX', 'auto', ['auto', 'manual']),
    updateCreate: read.choice('UPDATE_CREATE', 'operator', ['on', 'operator', 'off']),
    referentialIntegrity: read.choice('REFERENTIAL_INTEGRITY', 'on', ['on', 'off']) === 'on',
    unknownProfile: read.choice('UNKNOWN_PROFILE', 'warning', ['warning', 'error']),
    refusedSeverity: read.choice('REFUSED_SEVERITY', 'error', ['error', 'warning']),
    bestPractice: read.choice('BEST_PRACTICE', 'off', ['on', 'off']) === 'on',
    demandedProfiles: demandedProfiles(read),
    terminology: terminologyConfig(read),
    packages: read.list('PACKAGES').map((file) => path.resolve(file)),
    allowedOrigins: read.list('ALLOWED_ORIGINS'),
  };
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

function terminologyConfig(read: EnvReader): FhirSettings['terminology'] {
  const url = read.url('TERMINOLOGY_URL');
  const timeoutMs = read.integer('TERMINOLOGY_TIMEOUT_MS', 2_000, 10, 60_000);
  const tokenFile = read.optional('TERMINOLOGY_TOKEN_FILE');
  if (url !== undefined) return { url, timeoutMs, ...(tokenFile ? { tokenFile: path.resolve(tokenFile) } : {}) };
  if (tokenFile !== undefined) read.problem('TERMINOLOGY_TOKEN_FILE is set, but TERMINOLOGY_URL is not');
  return undefined;
}
