/** Scopes in words that a patient understands: what an app could see or change. */
import { parseScope, type ClinicalScope } from '../scopes.js';

/** Types of resources as people call them; the others keep their name, in words. */
const typeWords: Readonly<Record<string, string>> = {
  AllergyIntolerance: 'allergies',
  Appointment: 'appointments',
  AuditEvent: 'records of who looked at the data',
  CarePlan: 'care plans',
  CareTeam: 'care teams',
  Claim: 'claims',
  ClinicalImpression: 'assessments',
  Communication: 'messages',
  Condition: 'diagnoses and health problems',
  Consent: 'consents',
  Coverage: 'insurance cover',
  Device: 'devices and implants',
  DiagnosticReport: 'test reports',
  DocumentReference: 'documents',
  Encounter: 'visits and hospital stays',
  ExplanationOfBenefit: 'bills and what was paid',
  FamilyMemberHistory: 'illnesses in the family',
  Goal: 'goals',
  Immunization: 'vaccinations',
  Location: 'places of care',
  Media: 'pictures and recordings',
  Medication: 'medicines',
  MedicationAdministration: 'medicines given',
  MedicationDispense: 'medicines handed out',
  MedicationRequest: 'prescriptions',
  MedicationStatement: 'medicines taken',
  Observation: 'measurements and test results',
  Organization: 'hospitals and practices',
  Patient: 'name, birth date, address and contact details',
  Practitioner: 'doctors and nurses',
  PractitionerRole: 'roles of doctors and nurses',
  Procedure: 'operations and treatments',
  Provenance: 'where the records come from',
  Questionnaire: 'questionnaires',
  QuestionnaireResponse: 'answers to questionnaires',
  RelatedPerson: 'relatives and other contacts',
  ServiceRequest: 'referrals and orders',
  Specimen: 'samples',
};

const filterWords: Readonly<Record<string, string>> = {
  laboratory: 'laboratory results only',
  'vital-signs': 'vital signs only, such as blood pressure and pulse',
  'social-history': 'way of life only, such as smoking',
  survey: 'answers to surveys only',
  imaging: 'imaging only',
  exam: 'examinations only',
  'encounter-diagnosis': 'diagnoses of visits only',
  'problem-list-item': 'long-term problems only',
  'health-concern': 'health concerns only',
};

/**
 * What a scope lets an app do, as one line.
 * @param whose `your`, or the name of the patient in the possessive: `Ada Moor's`.
 * @returns undefined for scopes that no user needs to think about (`openid`, `launch`).
 */
export function scopeText(text: string, whose: string): string | undefined {
  const scope = parseScope(text);
  if (scope === undefined) return plainText(text);
  const { level, resourceType, filter } = scope;
  const things = resourceType === '*' ? 'all health records' : wordsFor(resourceType);
  const narrowed = filter === undefined ? '' : ` (${filterText(filter)})`;
  const owner = level === 'patient' ? `${whose} ${things}` : `${things} of every patient whom you may see`;
  return `${verbs(scope)} ${owner}${narrowed}`;
}

function plainText(scope: string): string | undefined {
  if (scope === 'fhirUser' || scope === 'profile') return 'Know who you are';
  return undefined;
}

function verbs({ permissions }: ClinicalScope): string {
  const has = (letter: string) => permissions.includes(letter);
  const words = [
    ...(has('r') || has('s') ? ['see'] : []),
    ...(has('c') ? ['add'] : []),
    ...(has('u') ? ['change'] : []),
    ...(has('d') ? ['delete'] : []),
  ];
  const last = words.pop() ?? '';
  const text = words.length === 0 ? last : `${words.join(', ')} and ${last}`;
  return text.charAt(0).toUpperCase() + text.slice(1);
}

function wordsFor(resourceType: string): string {
  if (Object.hasOwn(typeWords, resourceType)) return typeWords[resourceType];
  return `records of the type "${resourceType.replaceAll(/(?<=[a-z])(?=[A-Z])/g, ' ').toLowerCase()}"`;
}

function filterText(filter: string): string {
  return [...new URLSearchParams(filter)]
    .map(([name, value]) => {
      const code = value.split('|').at(-1) ?? value;
      return Object.hasOwn(filterWords, code) ? filterWords[code] : `only where ${name} is ${code}`;
    })
    .join(', ');
}
