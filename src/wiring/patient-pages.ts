/** The pages for patients: what they are served with, and as which app they sign people in. */
import type { Config } from '../config.js';
import { patientPages, patientPagesClient, patientPagesPath, servePatientPages } from '../serving/patient-pages.js';
import type { AppRegistration } from '../smart/authorization-server/operator-client.js';
import { languages } from '../smart/authorization-server/texts/languages.js';
import { namesOf } from './smart.js';

/** As an app of the built-in authorization server: public, no more than the consents and record of the patient herself. */
export function patientPagesApp(baseUrl: string): AppRegistration {
  const places = namesOf(baseUrl).map((name) => name.replace(/\/fhir$/, patientPagesPath));
  return {
    id: patientPagesClient,
    name: 'Your consents',
    redirects: places.flatMap((place) => patientPages.map((page) => place + page)),
    scope: 'openid fhirUser launch/patient patient/*.rs patient/Consent.cruds',
    isPublic: true,
    isBackend: false,
    members: [],
    roles: [],
    mayIntrospect: false,
    needsProof: false,
  };
}

/** The handler of the pages. Tokens may come from this server under any of its names, or from an outside issuer. */
export function openPatientPages({ smart: { issuer } }: Config, baseUrl: string) {
  // A policy cannot name an IPv6 address.
  const names = namesOf(baseUrl)
    .map((name) => new URL(name).origin)
    .filter((origin) => !origin.includes('['));
  const kinds = Object.fromEntries(languages.map(({ language, scopes }) => [language, scopes.types]));
  return servePatientPages(issuer.kind === 'outside' ? [...names, new URL(issuer.url).origin] : names, kinds);
}
