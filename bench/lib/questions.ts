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
    '$everything, first 50': (i) => get(`${pick(patients, i)}/$everything?_count=50`),
  };
}
