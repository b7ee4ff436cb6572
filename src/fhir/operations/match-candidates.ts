/** Searches that find those who may be meant by a Patient: the blocking of record linkage. */
import type { Resource } from '../../base/resource.js';
import { addressesOf, escaped, identifiersOf, namesOf, telecomsOf } from './match-facts.js';

export type Criteria = readonly (readonly [name: string, value: string])[];

/** So many identifiers, names, telecoms and addresses are looked by. */
const mostEach = 8;

/** Each finds candidates by itself; empty when the Patient says too little. */
export function blockingSearches(wanted: Resource): Criteria[] {
  const identifiers = identifiersOf(wanted).slice(0, mostEach);
  const names = namesOf(wanted).slice(0, mostEach);
  const telecoms = telecomsOf(wanted).slice(0, mostEach);
  const birthDate = typeof wanted.birthDate === 'string' ? wanted.birthDate : undefined;
  const postalCodes = addressesOf(wanted).flatMap(({ postalCode }) => (postalCode === undefined ? [] : [postalCode]));
  const searches: Criteria[] = identifiers.map(({ system, value }) => [
    ['identifier', system === undefined ? escaped(value) : `${escaped(system)}|${escaped(value)}`],
  ]);
  const families = names.flatMap(({ family }) => (family === undefined ? [] : [['family', escaped(family)] as const]));
  const givens = names.flatMap(({ given }) => given.slice(0, 2).map((one) => ['given', escaped(one)] as const));
  const contacts = telecoms.map(({ value }) => ['telecom', escaped(value)] as const);
  const places = postalCodes.slice(0, mostEach).map((code) => ['address-postalcode', escaped(code)] as const);
  const years = birthDate === undefined ? [] : [['birthdate', birthDate] as const];
  const kinds = [families, givens, contacts, places, years];
  kinds.forEach((one, index) => {
    for (const other of kinds.slice(index + 1)) {
      for (const first of one) for (const second of other) searches.push([first, second]);
    }
  });
  return searches.slice(0, mostSearches);
}

const mostSearches = 64;
