/** Code systems that stand in headers by number. Only ever append to this list: numbers are stored. */
const systems = [
  'http://loinc.org',
  'http://snomed.info/sct',
  'http://www.nlm.nih.gov/research/umls/rxnorm',
  'http://hl7.org/fhir/sid/icd-10-cm',
  'http://hl7.org/fhir/sid/icd-10',
  'http://hl7.org/fhir/sid/cvx',
  'http://hl7.org/fhir/sid/ndc',
  'http://unitsofmeasure.org',
  'http://terminology.hl7.org/CodeSystem/observation-category',
  'http://terminology.hl7.org/CodeSystem/condition-category',
  'http://terminology.hl7.org/CodeSystem/v3-ActCode',
  'http://terminology.hl7.org/CodeSystem/v3-Confidentiality',
  'http://terminology.hl7.org/CodeSystem/v2-0074',
  'http://terminology.hl7.org/CodeSystem/diagnostic-service-sections',
  'http://terminology.hl7.org/CodeSystem/claim-type',
  'http://terminology.hl7.org/CodeSystem/consentscope',
  'http://terminology.hl7.org/CodeSystem/consentcategorycodes',
  'http://www.ama-assn.org/go/cpt',
  'http://www.ada.org/cdt',
  'http://terminology.hl7.org/CodeSystem/organization-type',
] as const;

const numbers = new Map<string, number>(systems.map((system, number) => [system, number]));

/** The number of a listed system, else the system itself. */
export function shortenSystem(system: string): string | number {
  return numbers.get(system) ?? system;
}

export function expandSystem(short: string | number): string {
  return typeof short === 'string' ? short : systems[short]!;
}
