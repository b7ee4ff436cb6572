/** What consent means where no Consent says it, and emergencies. */
import type { EnvReader } from './env-reader.js';

const policyEffects = ['permit', 'deny', 'none'] as const;
export type PolicyEffect = (typeof policyEffects)[number];

/** The operator's part in consent decisions. */
export interface ConsentConfig {
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
}

/** DEFAULT_CONSENT, CONSENT_..., BREAK_GLASS_... */
export function consentConfig(read: EnvReader): ConsentConfig {
  return {
    defaultPolicy: read.choice('DEFAULT_CONSENT', 'deny', ['deny', 'permit']),
    maxStalenessMs: read.integer('CONSENT_MAX_STALENESS_MS', 10_000, 100, 3_600_000),
    policies: policies(read),
    confirmations: read.integer('CONSENT_CONFIRMATIONS', 1, 1, 1_000),
    breakGlass: {
      roles: read.list('BREAK_GLASS_ROLES'),
      minutes: read.integer('BREAK_GLASS_MINUTES', 60, 1, 10_080),
      reviewer: read.optionalMatching('BREAK_GLASS_REVIEWER', /^[A-Z][A-Za-z]+\/[A-Za-z0-9\-.]{1,64}$/, 'a reference'),
    },
    authors: read.choice('CONSENT_AUTHORS', 'organization', ['organization', 'any']),
    actors: read.choice('CONSENT_ACTORS', 'any', ['any', 'stored']),
  };
}

function policies(read: EnvReader): [string, PolicyEffect][] {
  return read.list('CONSENT_POLICIES').flatMap((text): [string, PolicyEffect][] => {
    const at = text.lastIndexOf('=');
    const effect = policyEffects.find((known) => known === text.slice(at + 1));
    if (at > 0 && effect !== undefined) return [[text.slice(0, at), effect]];
    read.problem(`CONSENT_POLICIES has "${text}"; expected name=effect, the effect one of ${policyEffects.join(', ')}`);
    return [];
  });
}
