/** Whose records an app may use: whom the user may choose, and what the grant carries of it. */
import type { LaunchContext } from '../launch-contexts.js';
import { needsPatient, type AuthorizationRequest } from './authorization-request.js';
import type { PatientOnPage } from './authorize-pages.js';
import type { PatientDirectory } from './patient-directory.js';

/** Patients whom the user may choose: herself, her relatives, those of the account; a clinician whomever she may see. */
export async function ownPatients(
  patients: PatientDirectory,
  { account, principal, prepared }: AuthorizationRequest,
): Promise<readonly string[] | 'any'> {
  if (prepared?.patient !== undefined) return [prepared.patient];
  if (account.patients === 'any') return 'any';
  const [type, id] = account.fhirUser.split('/');
  const self = type === 'Patient' ? [id] : [];
  const relatives = type === 'RelatedPerson' ? await patients.relatives(principal) : [];
  return [...new Set([...self, ...relatives, ...account.patients])];
}

/** Those to show: all that may be chosen, or what a clinician looked for. */
export async function patientsOnPage(
  patients: PatientDirectory,
  { principal }: AuthorizationRequest,
  own: readonly string[] | 'any',
  search: string | undefined,
): Promise<readonly PatientOnPage[]> {
  if (own === 'any') return search === undefined || search.trim() === '' ? [] : patients.find(principal, search);
  const described = await Promise.all(own.map((id) => patients.describe(principal, id)));
  return described.filter((patient) => patient !== undefined);
}

/** @returns undefined when a patient is needed and none was chosen whom the user may choose. */
export async function contextOf(
  patients: PatientDirectory,
  asked: AuthorizationRequest,
  chosen: string | undefined,
): Promise<LaunchContext | undefined> {
  const { prepared } = asked;
  const { encounter, fhirContext, intent, needPatientBanner } = prepared ?? {};
  const rest: LaunchContext = {
    ...(encounter === undefined ? {} : { encounter }),
    ...(fhirContext === undefined ? {} : { fhirContext }),
    ...(intent === undefined ? {} : { intent }),
    ...(needPatientBanner === undefined ? {} : { needPatientBanner }),
  };
  if (!needsPatient(asked)) return rest;
  const patient = prepared?.patient ?? chosen;
  if (patient === undefined || !(await mayChoose(patients, asked, patient))) return undefined;
  return { ...rest, patient };
}

async function mayChoose(patients: PatientDirectory, asked: AuthorizationRequest, patient: string): Promise<boolean> {
  const own = await ownPatients(patients, asked);
  if (own !== 'any' && !own.includes(patient)) return false;
  return (await patients.describe(asked.principal, patient)) !== undefined;
}
