/**
 * Port: which patients the user of an authorization page may choose.
 *
 * Consistency: what the FHIR door would answer this principal now. Trust: every look goes through consent and the access log, as any read does.
 */
import type { Principal } from '../../consent/gate.js';
import type { PatientOnPage } from './authorize-pages.js';

export interface PatientDirectory {
  /** @returns undefined for a patient who is not there or not visible. */
  describe(principal: Principal, patientId: string): Promise<PatientOnPage | undefined>;
  /** Patients by name or identifier, a few at most. */
  find(principal: Principal, text: string): Promise<readonly PatientOnPage[]>;
  /** Patients to whom a RelatedPerson belongs. */
  relatives(principal: Principal): Promise<readonly string[]>;
}
