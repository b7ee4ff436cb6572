/**
 * Functional lists of `_list`: drawn up by the server from what is stored.
 *
 * Spec: https://hl7.org/fhir/R4/lifecycle.html#lists
 */
import { invalid } from './problems.js';

type Criteria = readonly (readonly [parameter: string, value: string])[];

const problem: Criteria = [['clinical-status', 'active,recurrence,relapse']];
const allergy: Criteria = [['clinical-status', 'active']];
const medication: Criteria = [['status', 'active']];

/** By name and by the type searched: what a member of the list meets. */
const lists: Record<string, Record<string, Criteria>> = {
  '$current-problems': { Condition: problem },
  '$current-allergies': { AllergyIntolerance: allergy },
  '$current-drug-allergies': { AllergyIntolerance: [...allergy, ['category', 'medication']] },
  '$current-medications': { MedicationStatement: medication, MedicationRequest: medication },
};

export const functionalLists = Object.keys(lists);

/** @throws FhirError 400 `invalid` for a list that is not known, or holds no resources of this type. */
export function functionalList(name: string, type: string): Criteria {
  const list = Object.hasOwn(lists, name) ? lists[name] : undefined;
  if (list === undefined) {
    throw invalid(
      `Search parameter _list: found '${name}', expected ids of Lists or one of ${functionalLists.join(', ')}`,
    );
  }
  if (!Object.hasOwn(list, type)) {
    throw invalid(`Search parameter _list: ${name} holds ${Object.keys(list).join(' and ')}, not ${type}`);
  }
  return list[type];
}
