/** What is asked of the contract: who, what for, which record, as clear terms and then blinded. Pure. */
import { fromHex, toHex } from '../base/bytes.js';
import type { RegistryRequest } from '../chain/consent-registry.js';
import type { Blinder } from './blinder.js';
import type { Claims } from './claims.js';
import type { ConsentAction, Principal, RecordAttributes } from './gate.js';
import {
  ACT_REASON,
  CONFIDENTIALITY,
  CONSENT_ACTION,
  NORMAL,
  RESOURCE_TYPES,
  canonicalSystem,
  confidentialityLevel,
} from './hierarchies.js';
import { type ClearRequest, FOREVER } from './policy.js';
import type { PolicySummary } from './policy-summary.js';
import { codingTerms, referenceTerm } from './terms.js';

/** Texts that hold for requester, purpose and action, whatever the record. */
export function principalTerms(principal: Principal, action: ConsentAction): string[] {
  const identities = [principal.actor, ...principal.memberships];
  const references = identities.filter((identity) => !isRole(identity));
  const roles = identities.filter(isRole).map((identity) => {
    const [system = '', code = ''] = identity.split('|');
    return { system, code };
  });
  return [
    ...references.map((reference) => referenceTerm('actor', reference)),
    ...roles.flatMap((role) => codingTerms('role', role)),
    ...codingTerms('action', { system: CONSENT_ACTION, code: action }),
    ...codingTerms('purpose', { system: ACT_REASON, code: principal.purposeOfUse }),
  ];
}

/** `system|code`; an actor that is known by identifier (`identifier:system|value`) is a reference. */
const isRole = (identity: string) => identity.includes('|') && !identity.startsWith('identifier:');

/** Texts that hold for the record. @param wants whether texts of a kind are of interest; default: all are. */
function recordTerms(record: RecordAttributes, wants: (kind: string) => boolean = () => true): string[] {
  const texts: string[] = [];
  if (wants('class')) {
    texts.push(...codingTerms('class', { system: RESOURCE_TYPES, code: record.resourceType }));
    for (const coding of record.codes) texts.push(...codingTerms('class', coding));
  }
  if (wants('code')) for (const coding of record.codes) texts.push(...codingTerms('code', coding));
  if (wants('label')) for (const label of record.securityLabels) texts.push(...codingTerms('label', label));
  if (wants('instance')) texts.push(referenceTerm('instance', `${record.resourceType}/${record.id}`));
  if (wants('author')) {
    const authors = [...(record.author === undefined ? [] : [record.author]), ...(record.authors ?? [])];
    for (const author of authors) texts.push(referenceTerm('author', author));
  }
  if (wants('refers')) for (const reference of record.references ?? []) texts.push(referenceTerm('refers', reference));
  return texts;
}

/** High-water mark of the Confidentiality labels; N when there is none. */
function confidentialityOf(record: RecordAttributes): number {
  const levels = record.securityLabels
    .filter(({ system }) => system !== undefined && canonicalSystem(system) === CONFIDENTIALITY)
    .map(({ code }) => confidentialityLevel(code ?? ''))
    .filter((level) => level !== undefined);
  return levels.length === 0 ? NORMAL : Math.max(...levels);
}

/** Clinically relevant time of the record as the contract can hold it: open sides reach FOREVER. */
function dataTimeOf({ dataPeriod }: RecordAttributes): readonly [start: number, end: number] | undefined {
  if (dataPeriod === undefined) return undefined;
  const [start, end] = dataPeriod;
  return [Number.isFinite(start) ? start : -FOREVER, Number.isFinite(end) ? end : FOREVER];
}

/** True when the requester is the patient herself. */
export function isPatient(principal: Principal, patientId: string): boolean {
  return principal.actor === `Patient/${patientId}`;
}

/** True when the requester, or an organisation that she belongs to, wrote the record. */
export function isAuthor(principal: Principal, record: RecordAttributes): boolean {
  const { author } = record;
  return author !== undefined && (author === principal.actor || principal.memberships.includes(author));
}

/** Bit 0 patient, bit 1 author, bit 2 author of this Consent. */
export function relationOf(principal: Principal, record: RecordAttributes, patientId: string): number {
  const ofAuthor = record.resourceType === 'Consent' ? 6 : 2;
  return (isPatient(principal, patientId) ? 1 : 0) | (isAuthor(principal, record) ? ofAuthor : 0);
}

/** Everything about a request in clear text: for the oracle and for explanations. */
export function clearRequest(
  principal: Principal,
  action: ConsentAction,
  record: RecordAttributes,
  patientId: string,
  timeMs: number,
): ClearRequest {
  return {
    time: timeMs,
    data: dataTimeOf(record),
    confidentiality: confidentialityOf(record),
    isPatient: isPatient(principal, patientId),
    isAuthor: isAuthor(principal, record),
    isOwnConsent: record.resourceType === 'Consent' && isAuthor(principal, record),
    terms: new Set([...principalTerms(principal, action), ...recordTerms(record)]),
  };
}

/** A request without its time: equal questions have equal keys. */
export interface BlindRequest extends Omit<RegistryRequest, 'time' | 'terms'> {
  readonly key: string;
  /** 32 digits each, ascending. */
  readonly terms: string;
}

/** What is asked for: the requester's blinded terms that some policy mentions, the record, and their relation. */
export interface Asked {
  /** Blinded, ascending, distinct. */
  readonly principalTerms: readonly string[];
  readonly record: RecordAttributes;
  readonly relation: number;
  /** What the requester claims, absent for nothing; checked by the contract. */
  readonly claims?: Claims;
  /** Claimed memberships, pairs of blinded terms. */
  readonly groups?: Uint8Array;
}

/** Blinded terms among `texts` that some policy mentions, ascending; all of them when it is not known what the policies mention. */
export function blindedTerms(texts: readonly string[], summary: PolicySummary | undefined, blinder: Blinder): string[] {
  const terms = new Set<string>();
  for (const text of texts) {
    const term = blinder.term(text);
    if (summary === undefined || summary.terms.has(term)) terms.add(term);
  }
  return [...terms].sort();
}

/**
 * Blinds a request, and leaves out what none of the patient's policies asks for: that cannot change the decision.
 *
 * @param summary of all the patient's policies together; undefined leaves nothing out.
 */
export function blindRequest(asked: Asked, summary: PolicySummary | undefined, blinder: Blinder): BlindRequest {
  const { principalTerms: fromPrincipal, record, claims, groups } = asked;
  const relation = asked.relation | (claims?.relation ?? 0);
  const wants = summary === undefined ? undefined : (kind: string) => summary.kinds.has(blinder.kind(kind));
  const fromRecord = blindedTerms(recordTerms(record, wants), summary, blinder);
  const all = fromRecord.length === 0 ? fromPrincipal : [...new Set([...fromPrincipal, ...fromRecord])].sort();
  const terms = all.join('');
  const data = summary?.usesData === false ? undefined : dataTimeOf(record);
  const [dataStart, dataEnd] = data ?? [0, 0];
  const confidentiality = summary?.usesConfidentiality === false ? NORMAL : confidentialityOf(record);
  const key = `${relation}/${confidentiality}/${dataStart}/${dataEnd}/${terms}`;
  const plain = { key, dataStart, dataEnd, confidentiality, relation, terms };
  if (groups === undefined && (claims === undefined || claims.key === '')) return plain;
  const claimed = `${key}/${claims?.key ?? ''}/${groups === undefined ? '' : toHex(groups)}`;
  return { ...plain, key: claimed, emergency: claims?.emergency, actor: claims?.actor, groups };
}

/** The request as the contract takes it. */
export function toRegistryRequest(asked: BlindRequest, time: number): RegistryRequest {
  return { ...asked, time, terms: fromHex(asked.terms) };
}
