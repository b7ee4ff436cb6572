/** The reads and searches that are measured, over the Synthea patients of the corpus. */
import type { LoadRequest } from './load.js';

/** What the questions are about. */
export interface Subjects {
  /** `Type/id` of resources that can be read. */
  readonly locations: readonly string[];
  /** Patients as `Patient/id`. */
  readonly patients: readonly string[];
  /** The same patients' family names and years of birth. */
  readonly people: readonly { readonly family: string; readonly year: number }[];
  /** Codes of Observations, `system|code`. */
  readonly codes: readonly string[];
  /** Codes of Conditions, `system|code`. */
  readonly conditionCodes: readonly string[];
}

/** The codes of some resources, `system|code`, each once. */
export function codesOf(
  resources: readonly {
    readonly code?: { readonly coding: readonly { readonly system: string; readonly code: string }[] };
  }[],
): string[] {
  return [...new Set(resources.map(({ code }) => `${code?.coding[0].system}|${code?.coding[0].code}`))];
}

/** Steps through a list in an order that no cache likes. */
export function pick<T>(list: readonly T[], index: number): T {
  return list[(index * 7919) % list.length];
}

/** Each question by its name in the table: the i-th request. */
export function questions({
  locations,
  patients,
  people,
  codes,
  conditionCodes,
}: Subjects): Record<string, (i: number) => LoadRequest> {
  const get = (path: string): LoadRequest => ({ method: 'GET', path: `/fhir/${path}` });
  return {
    read: (i) => get(pick(locations, i)),
    'search Observation by patient and code': (i) =>
      get(`Observation?patient=${pick(patients, i)}&code=${encodeURIComponent(pick(codes, i))}`),
    'search Patient by family prefix and birthdate range': (i) => {
      const { family, year } = pick(people, i);
      return get(
        `Patient?family=${encodeURIComponent(family.slice(0, 4))}&birthdate=ge${year - 2}&birthdate=le${year + 2}&_count=10`,
      );
    },
    'search Observation by date range, newest first': (i) =>
      get(`Observation?date=ge20${10 + (i % 10)}-01&date=lt20${10 + (i % 10)}-03&_sort=-_lastUpdated&_count=10`),
    'search Condition by subject:Patient.gender': () => get('Condition?subject:Patient.gender=female&_count=10'),
    'search Condition by chains that change': (i) => {
      const { family, year } = pick(people, i);
      const chains = [
        `subject:Patient.gender=${i % 2 === 0 ? 'female' : 'male'}&code=${encodeURIComponent(pick(conditionCodes, i))}`,
        `subject:Patient.birthdate=ge${year}-${month(i)}&subject:Patient.birthdate=lt${year + 1 + (i % 7)}-${month(i)}`,
        `subject:Patient.family=${encodeURIComponent(family.slice(0, 4))}`,
      ];
      return get(`Condition?${chains[i % chains.length]}&_count=10`);
    },
    '$everything, first 50': (i) => get(`${pick(patients, i)}/$everything?_count=50`),
  };
}

function month(index: number): string {
  return String(1 + (index % 12)).padStart(2, '0');
}
