/**
 * How likely two Patients are one person: weights of what agrees and disagrees, as in Fellegi and Sunter's record linkage.
 *
 * Each fact that both tell gives a weight; the sum becomes a score between 0 and 1. What one of them does not tell counts nothing.
 */
import type { Resource } from '../../base/resource.js';
import { addressesOf, identifiersOf, namesOf, plain, telecomsOf, type Name } from './match-facts.js';
import { similarity } from './similarity.js';

export interface Score {
  /** 0 to 1, three digits. */
  readonly value: number;
  /** An identifier agrees, and nothing that identifies a person disagrees. */
  readonly isCertain: boolean;
}

/** Weights (in bits) of agreement and disagreement. */
const weights = {
  identifier: [12, -4],
  family: [5, -4],
  given: [4, -3],
  birthDate: [6, -5],
  gender: [1, -4],
  telecom: [5, -0.5],
  address: [4, -0.5],
} as const;

/** Evidence that makes even odds. */
const evenOdds = 7;

/** Agreement of one fact, 0 to 1; undefined when one side does not tell it. */
type Agreement = number | undefined;

export function scoreOf(wanted: Resource, candidate: Resource): Score {
  const agreements: Record<keyof typeof weights, Agreement> = {
    identifier: identifierAgreement(wanted, candidate),
    family: nameAgreement(wanted, candidate, ({ family }) => (family === undefined ? [] : [family])),
    given: nameAgreement(wanted, candidate, ({ given }) => given.slice(0, 1)),
    birthDate: birthDateAgreement(wanted.birthDate, candidate.birthDate),
    gender: genderAgreement(wanted.gender, candidate.gender),
    telecom: anyAgreement(telecomsOf(wanted).map(telecomKey), telecomsOf(candidate).map(telecomKey)),
    address: anyAgreement(addressesOf(wanted).map(addressKey), addressesOf(candidate).map(addressKey)),
  };
  let bits = -evenOdds;
  for (const [name, agreement] of Object.entries(agreements)) {
    if (agreement === undefined) continue;
    const [agrees, disagrees] = weights[name as keyof typeof weights];
    bits += disagrees + (agrees - disagrees) * agreement;
  }
  const value = Math.round(1000 / (1 + 2 ** -bits)) / 1000;
  const { identifier, family, birthDate, gender } = agreements;
  const contradicts = [family, birthDate, gender].some((one) => one !== undefined && one < 0.85);
  const supports = family !== undefined || birthDate !== undefined || onlyIdentifier(wanted);
  return { value, isCertain: identifier === 1 && !contradicts && supports };
}

/** Spec: http://hl7.org/fhir/R4/valueset-match-grade.html */
export function gradeOf({ value, isCertain }: Score): 'certain' | 'probable' | 'possible' | 'certainly-not' {
  if (isCertain || value >= 0.999) return 'certain';
  if (value >= 0.9) return 'probable';
  return value >= 0.3 ? 'possible' : 'certainly-not';
}

function onlyIdentifier(wanted: Resource): boolean {
  return namesOf(wanted).length === 0 && wanted.birthDate === undefined;
}

/** 1: one in common; 0: both have one of the same system, and all of them differ. */
function identifierAgreement(wanted: Resource, candidate: Resource): Agreement {
  const [ours, theirs] = [identifiersOf(wanted), identifiersOf(candidate)];
  const isCommon = ours.some((one) =>
    theirs.some((other) => one.value === other.value && (one.system === undefined || one.system === other.system)),
  );
  if (isCommon) return 1;
  const isSameSpace = ours.some(
    ({ system }) => system !== undefined && theirs.some((other) => other.system === system),
  );
  return isSameSpace ? 0 : undefined;
}

function nameAgreement(wanted: Resource, candidate: Resource, partsOf: (name: Name) => readonly string[]): Agreement {
  const ours = namesOf(wanted).flatMap(partsOf).map(plain);
  const theirs = namesOf(candidate).flatMap(partsOf).map(plain);
  if (ours.length === 0 || theirs.length === 0) return undefined;
  const best = Math.max(...ours.flatMap((one) => theirs.map((other) => similarity(one, other))));
  return best >= 0.8 ? best : 0;
}

function birthDateAgreement(ours: unknown, theirs: unknown): Agreement {
  if (typeof ours !== 'string' || typeof theirs !== 'string') return undefined;
  if (ours === theirs) return 1;
  const length = Math.min(ours.length, theirs.length);
  if (ours.slice(0, length) === theirs.slice(0, length)) return 0.7;
  const [year, month, day] = ours.split('-');
  if (theirs === `${year}-${day}-${month}`) return 0.7;
  const differing = [...ours].filter((character, index) => character !== theirs[index]).length;
  return differing === 1 && ours.length === theirs.length ? 0.6 : 0;
}

function genderAgreement(ours: unknown, theirs: unknown): Agreement {
  const tells = (gender: unknown) => gender === 'male' || gender === 'female' || gender === 'other';
  if (!tells(ours) || !tells(theirs)) return undefined;
  return ours === theirs ? 1 : 0;
}

function anyAgreement(ours: readonly string[], theirs: readonly string[]): Agreement {
  const [a, b] = [ours.filter((one) => one !== ''), theirs.filter((one) => one !== '')];
  if (a.length === 0 || b.length === 0) return undefined;
  return a.some((one) => b.includes(one)) ? 1 : 0;
}

function telecomKey({ value }: { readonly value: string }): string {
  return value.includes('@') ? value.trim().toLowerCase() : value.replace(/\D/g, '').slice(-9);
}

function addressKey({ postalCode = '', city = '', line = '' }: ReturnType<typeof addressesOf>[number]): string {
  return postalCode === '' ? plain(`${city} ${line}`) : `${plain(postalCode)} ${plain(line)}`.trim();
}
