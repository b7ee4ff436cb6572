/** What of a Patient is compared: plain texts, spelled one way. */
import type { Resource } from '../../base/resource.js';

export interface Identifier {
  readonly system?: string;
  readonly value: string;
}

export interface Name {
  readonly family?: string;
  readonly given: readonly string[];
}

export interface Telecom {
  readonly system?: string;
  readonly value: string;
}

export interface Address {
  readonly postalCode?: string;
  readonly city?: string;
  readonly line?: string;
}

export function identifiersOf(patient: Resource): Identifier[] {
  return listOf(patient.identifier).flatMap(({ system, value }) =>
    typeof value === 'string' && value !== '' ? [{ ...(typeof system === 'string' ? { system } : {}), value }] : [],
  );
}

/** The last word of a name's text stands for a family name that is missing. */
export function namesOf(patient: Resource): Name[] {
  return listOf(patient.name).flatMap(({ family, given, text }) => {
    const words = typeof text === 'string' ? text.split(/\s+/).filter((word) => word !== '') : [];
    const givens = Array.isArray(given) ? given.filter((one): one is string => typeof one === 'string') : [];
    if (typeof family === 'string') return [{ family, given: givens }];
    if (givens.length > 0) return [{ given: givens }];
    return words.length > 0 ? [{ family: words[words.length - 1], given: words.slice(0, -1) }] : [];
  });
}

export function telecomsOf(patient: Resource): Telecom[] {
  return listOf(patient.telecom).flatMap(({ system, value }) =>
    typeof value === 'string' && value !== '' ? [{ ...(typeof system === 'string' ? { system } : {}), value }] : [],
  );
}

export function addressesOf(patient: Resource): Address[] {
  return listOf(patient.address).map(({ postalCode, city, line }) => ({
    ...(typeof postalCode === 'string' ? { postalCode } : {}),
    ...(typeof city === 'string' ? { city } : {}),
    ...(Array.isArray(line) && typeof line[0] === 'string' ? { line: line[0] } : {}),
  }));
}

/** Longer texts are compared by their beginning. */
const longestText = 200;

/** Lower case, without accents and punctuation. */
export function plain(text: string): string {
  return text
    .slice(0, longestText)
    .normalize('NFD')
    .replace(/\p{M}/gu, '')
    .toLowerCase()
    .replace(/[^\p{L}\p{N}]+/gu, ' ')
    .trim();
}

/** A value as a search takes it. */
export function escaped(text: string): string {
  return text.replace(/[\\,|$]/g, '\\$&');
}

function listOf(value: unknown): Record<string, unknown>[] {
  return Array.isArray(value)
    ? value.filter((one): one is Record<string, unknown> => typeof one === 'object' && one !== null)
    : [];
}
