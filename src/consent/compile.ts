/**
 * Consent (R4) to policy. Pure and deterministic.
 *
 * Spec: https://hl7.org/fhir/R4/consent.html; the readings that were chosen: docs/consent.md
 */
import { type FhirError, fhirError } from '../base/outcome.js';
import type { Coding, Resource } from '../base/resource.js';
import type { Blinder } from './blinder.js';
import { compileProvision } from './compile-provision.js';
import { strengthened } from './strengthen.js';
import { canonicalSystem } from './hierarchies.js';
import { dateTimeBounds } from './period.js';
import { type PolicyBytes, encodePolicy } from './policy-bytes.js';
import type { Policy, Rule } from './policy.js';
import { DEFAULT_OVERARCHING, type OverarchingPolicies } from './overarching.js';
import { normalReference } from './terms.js';

export interface CompileOptions {
  /** What the operator knows about overarching policies; default: HL7's published codes. */
  readonly overarching?: OverarchingPolicies;
}

/** A policy with the patient it speaks for. */
export interface CompiledConsent extends PolicyBytes {
  readonly policy: Policy;
  readonly patientId: string;
}

/** Scopes whose consents can permit that data are seen; those of the others are about something else. */
const SHARING_SCOPES = new Set(['patient-privacy', 'research']);
const MAX_BYTES = 48 * 1024;

/**
 * @returns undefined when the Consent is not active: then it has no policy.
 * @throws FhirError 422 naming each element that cannot be understood.
 */
export function compileConsent(consent: Resource, options: CompileOptions = {}): Policy | undefined {
  if (consent['status'] !== 'active') return undefined;
  if (consent['modifierExtension'] !== undefined) {
    throw fhirError(
      422,
      'extension',
      'Consent: a modifier extension that is not understood',
      'Consent.modifierExtension',
    );
  }
  patientOf(consent);
  const { effect, isKnown, name } = overarchingOf(consent, options.overarching ?? DEFAULT_OVERARCHING);
  const scope = codingsOf(consent['scope']);
  const scopeCodes = scope.map(({ code }) => code ?? '');
  const provision = (consent['provision'] ?? {}) as Record<string, unknown>;
  const root = compileProvision(provision, effect, 'Consent.provision');
  return {
    source: `Consent/${consent.id ?? 'new'}/_history/${consent.meta?.versionId ?? '0'}`,
    group: JSON.stringify([scope.map(codingName).sort(), name, grantorsOf(consent)]),
    time: timeOf(consent),
    canPermit: isKnown && scopeCodes.some((code) => SHARING_SCOPES.has(code)),
    root: strengthened(scopeCodes.includes('research') ? forResearchOnly(root) : root),
  };
}

/** Compiles and encodes. @returns undefined when the Consent is not active. @throws FhirError 422. */
export function compileToBytes(
  consent: Resource,
  blinder: Blinder,
  options: CompileOptions = {},
): CompiledConsent | undefined {
  const policy = compileConsent(consent, options);
  if (policy === undefined) return undefined;
  const encoded = encodePolicy(policy, blinder);
  if (encoded.bytes.byteLength > MAX_BYTES) {
    throw fhirError(
      422,
      'too-long',
      `Consent.provision: more than ${MAX_BYTES} bytes as a policy`,
      'Consent.provision',
    );
  }
  return { ...encoded, policy, patientId: patientOf(consent) };
}

/** Id of `Consent.patient`. @throws FhirError 422 when it refers to no Patient of this server. */
export function patientOf(consent: Resource): string {
  const reference = (consent['patient'] as { reference?: unknown } | undefined)?.reference;
  if (typeof reference !== 'string') {
    throw fhirError(422, 'required', 'Consent.patient: a reference to the patient is needed', 'Consent.patient');
  }
  const match = /^Patient\/([A-Za-z0-9\-.]{1,64})$/.exec(normalReference(reference));
  if (match === null) {
    throw fhirError(422, 'value', 'Consent.patient: expected Patient/[id]', 'Consent.patient.reference');
  }
  return match[1] as string;
}

/** What stands above the provisions: `policyRule` and `policy`. */
function overarchingOf(
  consent: Resource,
  known: OverarchingPolicies,
): { effect: Rule['type']; isKnown: boolean; name: string } {
  const codings = codingsOf(consent['policyRule']);
  const uris = ((consent['policy'] ?? []) as { authority?: string; uri?: string }[]).map(
    ({ authority, uri }) => uri ?? authority ?? '',
  );
  if (codings.length === 0 && uris.length === 0 && consent['policyRule'] === undefined) throw noPolicy();
  const effects = [...codings.map(codingName), ...uris]
    .map((name) => known.get(name))
    .filter((found) => found !== undefined);
  // The codings of a rule are one rule in several systems; policies by URI must all be known.
  const isRuleKnown = consent['policyRule'] === undefined || codings.some((coding) => known.has(codingName(coding)));
  const isKnown = isRuleKnown && uris.every((uri) => known.has(uri));
  const effect = effects.includes('deny') ? 'deny' : effects.includes('permit') && isKnown ? 'permit' : 'none';
  return { effect, isKnown, name: [...codings.map(codingName), ...uris].sort().join(' ') };
}

function noPolicy(): FhirError {
  return fhirError(422, 'invariant', 'Consent: ppc-1: either a policy or a policyRule is needed', 'Consent');
}

/** Those who agreed; the patient when nobody else is named. */
function grantorsOf(consent: Resource): string[] {
  const performers = (consent['performer'] ?? [consent['patient']]) as { reference?: string; identifier?: unknown }[];
  return performers
    .map(({ reference, identifier }) => normalReference(reference ?? JSON.stringify(identifier ?? '')))
    .sort();
}

function timeOf(consent: Resource): number {
  const [expression, value] =
    consent['dateTime'] === undefined
      ? ['Consent.meta.lastUpdated', consent.meta?.lastUpdated]
      : ['Consent.dateTime', consent['dateTime']];
  if (value === undefined) return 0;
  return Math.max(0, dateTimeBounds(value, expression)[0]);
}

/** A consent to research permits nothing but research: its permits get the purpose HRESCH unless they name purposes. */
function forResearchOnly(rule: Rule): Rule {
  if (rule.criteria.some(({ element }) => element === 'purpose')) return rule;
  if (rule.type !== 'permit') return { ...rule, rules: rule.rules.map(forResearchOnly) };
  const research = { kind: 'term', term: 'purpose|http://terminology.hl7.org/CodeSystem/v3-ActReason|HRESCH' } as const;
  return { ...rule, criteria: [...rule.criteria, { element: 'purpose', alternatives: [research] }] };
}

function codingsOf(concept: unknown): Coding[] {
  return ((concept as { coding?: Coding[] } | undefined)?.coding ?? []).filter(({ code }) => typeof code === 'string');
}

/** `system|code`. */
function codingName({ system, code }: Coding): string {
  return `${canonicalSystem(system ?? '')}|${code ?? ''}`;
}
