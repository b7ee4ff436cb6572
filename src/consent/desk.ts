/**
 * What patients and operators want to know about consents: why somebody is permitted or not, what a new Consent would change, how far a
 * filing has come. Answers of the contract are explained; only what is not filed yet is worked out by the oracle.
 */
import type { Clock } from '../base/clock.js';
import { FhirError } from '../base/outcome.js';
import type { Resource } from '../base/resource.js';
import type { Hex } from '../chain/chain.js';
import type { Blinder } from './blinder.js';
import { type CompileOptions, compileToBytes } from './compile.js';
import type { RunningConsentGate } from './consent-gate.js';
import type { ConsentAction, ConsentDecision, Principal, RecordAttributes } from './gate.js';
import { decideByPolicies } from './oracle.js';
import type { Policy, Rule } from './policy.js';
import type { ConsentPublisher, FilingState } from './publisher.js';
import { clearRequest } from './request.js';

export interface ConsentDeskOptions {
  readonly gate: RunningConsentGate;
  readonly publisher: Pick<ConsentPublisher, 'stateOf' | 'whenSettled'>;
  readonly activeConsents: (patientId: string) => Promise<readonly Resource[]>;
  readonly blinder: Blinder;
  readonly clock: Clock;
  readonly compile: CompileOptions;
  readonly implicitPolicy: 'deny' | 'permit';
}

const SETTLING_MS = 1_000;

/** A stored Consent that is active, with its policy. */
export interface HeldConsent {
  readonly consent: Resource;
  readonly policy: Policy;
  readonly hash: Hex;
}

/** A decision of the contract, in words. */
export interface Explained extends ConsentDecision {
  /** One sentence. */
  readonly text: string;
  /** `Consent/id/_history/version` that decided. */
  readonly consent?: string;
  /** FHIRPath of the provision in it. */
  readonly provision?: string;
  /** Index of its policy on the chain. */
  readonly policyIndex?: number;
}

/** What would be decided without and with a new Consent. */
export interface Simulated {
  readonly before: boolean;
  readonly after: boolean;
  /** FHIRPath of the provision of the new Consent that would decide, when it is the one. */
  readonly provision?: string;
}

export class ConsentDesk {
  readonly #options: ConsentDeskOptions;

  constructor(options: ConsentDeskOptions) {
    this.#options = options;
  }

  /** The active Consents of a patient that are understood, newest first. */
  async held(patientId: string): Promise<HeldConsent[]> {
    const consents = await this.#options.activeConsents(patientId);
    return consents.flatMap((consent) => this.compiled(consent) ?? []);
  }

  stateOf(consentId: string): Promise<FilingState> {
    return this.#options.publisher.stateOf(consentId);
  }

  /** Waits a moment for what is on its way to the chain about this patient, so that the decisions that follow know it. */
  async settled(patientId: string): Promise<void> {
    await this.#options.publisher.whenSettled(patientId, SETTLING_MS);
  }

  /** Asks the contract, and says why. @throws ConsentUndecidable */
  async explain(
    principal: Principal,
    action: ConsentAction,
    record: RecordAttributes,
    patientId: string,
    held: readonly HeldConsent[],
  ): Promise<Explained> {
    const decision = await this.#options.gate.decide(principal, action, { ...record, patients: [patientId] });
    const [, effect, index, path] = /^(permit|deny):provision-(\d+)((?:\.\d+)*)$/.exec(decision.reason) ?? [];
    if (index === undefined) return { ...decision, text: textOf(decision) };
    const policyIndex = Number(index);
    const hash = this.#options.gate.activePolicies(patientId)?.get(policyIndex);
    const found = held.find((one) => one.hash === hash);
    const provision = found === undefined ? undefined : ruleAt(found.policy.root, path ?? '')?.expression;
    const where = found === undefined ? 'a consent that is not stored here' : found.policy.source;
    return {
      ...decision,
      policyIndex,
      text: `${effect === 'permit' ? 'Permitted' : 'Denied'} by ${provision ?? 'a provision'} of ${where}.`,
      ...(found === undefined ? {} : { consent: found.policy.source }),
      ...(provision === undefined ? {} : { provision }),
    };
  }

  /**
   * @param draft a Consent that is not filed; one with the id of a stored one takes its place.
   * @throws FhirError 422 when it cannot be understood.
   */
  simulator(held: readonly HeldConsent[], draft: Resource) {
    const { clock, implicitPolicy, blinder, compile } = this.#options;
    const now = clock.now();
    const stamped = { ...draft, meta: { ...draft.meta, lastUpdated: new Date(now).toISOString() } };
    const added = compileToBytes(stamped, blinder, compile)?.policy;
    const before = held.map(({ policy }) => policy);
    const kept = held.filter(({ consent }) => consent.id !== draft.id).map(({ policy }) => policy);
    const after = added === undefined ? kept : [added, ...kept];
    return (principal: Principal, action: ConsentAction, record: RecordAttributes, patientId: string): Simulated => {
      const request = clearRequest(principal, action, record, patientId, now);
      const decision = decideByPolicies(after, request, implicitPolicy);
      const isByDraft = added !== undefined && decision.policy === 0;
      const provision = isByDraft
        ? ruleAt(added.root, decision.path.map((step) => `.${step}`).join(''))?.expression
        : undefined;
      return {
        before: decideByPolicies(before, request, implicitPolicy).permit,
        after: decision.permit,
        ...(provision === undefined ? {} : { provision }),
      };
    };
  }

  /** @returns undefined when it is not active, or not understood. */
  compiled(consent: Resource): HeldConsent | undefined {
    try {
      const compiled = compileToBytes(consent, this.#options.blinder, this.#options.compile);
      return compiled === undefined ? undefined : { consent, policy: compiled.policy, hash: compiled.hash };
    } catch (problem) {
      if (problem instanceof FhirError) return undefined;
      throw problem;
    }
  }
}

/** References of actors that a policy names. */
export function actorsIn({ root }: Policy): string[] {
  return termsIn(root, 'actor|');
}

/** Codes of purposes that a policy names. */
export function purposesIn({ root }: Policy): string[] {
  return termsIn(root, 'purpose|').map((text) => text.slice(text.lastIndexOf('|') + 1));
}

function termsIn(rule: Rule, prefix: string): string[] {
  const own = rule.criteria.flatMap(({ alternatives }) =>
    alternatives.flatMap((one) => ('term' in one ? [one.term] : 'terms' in one ? one.terms : [])),
  );
  const named = own.filter((text) => text.startsWith(prefix)).map((text) => text.slice(prefix.length));
  return [...new Set([...named, ...rule.rules.flatMap((child) => termsIn(child, prefix))])];
}

function ruleAt(root: Rule, path: string): Rule | undefined {
  let rule: Rule | undefined = root;
  for (const step of path.split('.').filter((text) => text !== '')) rule = rule?.rules[Number(step)];
  return rule;
}

const texts: Readonly<Record<string, string>> = {
  'permit:patient': 'The patient sees everything about herself.',
  'permit:author': 'Whoever wrote a record sees it while no consent speaks.',
  'permit:implicit': 'No consent speaks; the operator permits what no consent denies.',
  'permit:no-patient': 'The record is about no patient.',
  'permit:emergency': 'Emergency access was declared on the chain and is open.',
  'permit:delegate': 'The patient lets this person act for her.',
  'deny:no-consent': 'No consent speaks, and the operator denies what no consent permits.',
  'deny:revocation-pending': 'A consent was revoked here; the chain has not confirmed it yet.',
  'deny:filing-pending': 'A consent was filed here; the chain has not confirmed it yet.',
  'deny:unknown-policy': 'A policy is active on the chain whose Consent is not stored here.',
  'deny:malformed-policy': 'A policy on the chain cannot be understood.',
};

function textOf({ permit, reason }: ConsentDecision): string {
  return texts[reason] ?? `${permit ? 'Permitted' : 'Denied'} by the contract (${reason}).`;
}
