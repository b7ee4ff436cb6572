/**
 * Signing in (SMART App Launch 2.2, standalone, PKCE) and talking to the FHIR server: everything on these pages goes through its public API.
 *
 * The token lives in sessionStorage: it ends with the tab. Spec: https://hl7.org/fhir/smart-app-launch/STU2.2/app-launch.html
 */
import { texts } from './language.js';

const client = 'mooring-patient';
const scope = 'openid fhirUser launch/patient patient/*.rs patient/Consent.cruds';
const here = new URL(location.pathname, location.href).href;
/** Base URL of the FHIR server beside these pages. */
export const base = new URL('../fhir', here).href;
const kept = 'mooring-session';
const begun = 'mooring-launch';

/** What went wrong, in words for people. */
export class Refused extends Error {
  constructor(status, message) {
    super(message);
    this.status = status;
  }
}

/** Base64url of bytes. */
export function toText(bytes) {
  const text = btoa(String.fromCharCode(...new Uint8Array(bytes)));
  return text.replaceAll('+', '-').replaceAll('/', '_').replaceAll('=', '');
}

/** Bytes of base64url. */
export function toBytes(text) {
  return Uint8Array.from(atob(text.replaceAll('-', '+').replaceAll('_', '/')), (one) => one.charCodeAt(0));
}

/** The session of this tab: `{ token, patient }`. Goes to the sign-in page when there is none. */
export async function signIn() {
  const session = JSON.parse(sessionStorage.getItem(kept) ?? 'null');
  if (session !== null && session.until > Date.now()) return session;
  const answer = new URLSearchParams(location.search);
  const launch = JSON.parse(sessionStorage.getItem(begun) ?? 'null');
  if (answer.has('error')) throw new Refused(403, answer.get('error_description') ?? texts.notSignedIn);
  if (answer.has('code') && launch !== null && answer.get('state') === launch.state)
    return redeem(answer.get('code'), launch);
  const { authorization_endpoint: place } = await configuration();
  const [state, verifier] = [random(), random()];
  sessionStorage.setItem(begun, JSON.stringify({ state, verifier }));
  const digest = await crypto.subtle.digest('SHA-256', new TextEncoder().encode(verifier));
  const asked = {
    response_type: 'code',
    client_id: client,
    redirect_uri: here,
    scope,
    state,
    aud: base,
    ui_locales: texts.language,
  };
  const challenge = { code_challenge: toText(digest), code_challenge_method: 'S256' };
  location.replace(`${place}?${new URLSearchParams({ ...asked, ...challenge })}`);
  return new Promise(() => {});
}

/** Forgets the session of this tab. */
export function signOut() {
  sessionStorage.removeItem(kept);
  location.replace(here);
}

async function redeem(code, { verifier }) {
  sessionStorage.removeItem(begun);
  const { token_endpoint: place } = await configuration();
  const form = {
    grant_type: 'authorization_code',
    code,
    redirect_uri: here,
    client_id: client,
    code_verifier: verifier,
  };
  const response = await fetch(place, { method: 'POST', body: new URLSearchParams(form) });
  const told = await response.json();
  if (!response.ok) throw new Refused(response.status, told.error_description ?? texts.couldNotSignIn);
  const session = { token: told.access_token, patient: told.patient, until: Date.now() + 1000 * told.expires_in };
  sessionStorage.setItem(kept, JSON.stringify(session));
  history.replaceState(null, '', here);
  return session;
}

async function configuration() {
  const response = await fetch(`${base}/.well-known/smart-configuration`);
  if (!response.ok) throw new Refused(response.status, texts.noDiscovery);
  return response.json();
}

function random() {
  return toText(crypto.getRandomValues(new Uint8Array(32)));
}

/** One request to the FHIR server. @throws Refused with the text of its OperationOutcome. */
export async function fhir({ token }, method, path, body) {
  const response = await fetch(`${base}/${path}`, {
    method,
    headers: {
      Authorization: `Bearer ${token}`,
      Accept: 'application/fhir+json',
      'Content-Type': 'application/fhir+json',
    },
    ...(body === undefined ? {} : { body: JSON.stringify(body) }),
  });
  if (response.status === 401) signOut();
  const text = await response.text();
  const answer = text === '' ? undefined : JSON.parse(text);
  if (response.ok) return answer;
  const told = answer?.issue?.map(({ diagnostics }) => diagnostics).join(' ');
  throw new Refused(response.status, told || texts.serverAnswers(response.status));
}

/** A Parameters resource of simple values; those that are undefined are left out. */
export function parameters(values) {
  const types = { string: 'valueString', number: 'valueUnsignedInt', boolean: 'valueBoolean' };
  const given = Object.entries(values).filter(([, value]) => value !== undefined);
  return {
    resourceType: 'Parameters',
    parameter: given.map(([name, value]) => ({ name, [types[typeof value]]: value })),
  };
}

/** Values of a list of parameters (or parts) by name. */
export function valuesOf(list = []) {
  return Object.fromEntries(
    list.map(({ name, part, ...value }) => [name, part === undefined ? Object.values(value)[0] : valuesOf(part)]),
  );
}
