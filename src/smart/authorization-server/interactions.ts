/**
 * What happens between an app's authorization request and its code: the user signs in, chooses a patient, and allows what she wants to.
 *
 * Spec: https://hl7.org/fhir/smart-app-launch/STU2.2/app-launch.html
 */
import type { IncomingMessage, ServerResponse } from 'node:http';
import type { OidcInteraction } from 'oidc-provider';
import type { Clock } from '../../base/clock.js';
import { patientsOf } from '../security-events.js';
import { plainScopes } from './app-metadata.js';
import {
  appOf,
  clientOf,
  formTargets,
  needsPatient,
  requestedScopes,
  requestOf,
  type AuthorizationRequest,
  type RequestParts,
} from './authorization-request.js';
import { decisionPage, loginPage, type Decision, type Form } from './authorize-pages.js';
import { addressOf, csrfOf, isCsrf, readSmallBody } from './forms.js';
import { lifetimes } from './lifetimes.js';
import { sendPage, type PageFrame, type PageIn } from './page.js';
import { contextOf, ownPatients, patientsOnPage } from './patient-choice.js';
import type { PatientDirectory } from './patient-directory.js';
import { isChoice } from './scope-texts.js';
import { signInByPasskey, signInByPassword, type SignInParts } from './sign-in.js';
import { textsFor } from './texts/languages.js';

export interface InteractionParts extends RequestParts, SignInParts {
  readonly patients: PatientDirectory;
  readonly clock: Clock;
  /** The FHIR base URL. */
  readonly baseUrl: string;
  readonly csrfKey: Uint8Array;
  readonly frame: PageFrame;
}

/** One request of a browser within an authorization. */
interface Visit {
  readonly request: IncomingMessage;
  readonly response: ServerResponse;
  readonly details: OidcInteraction;
  readonly frame: PageIn;
}

export class Interactions {
  constructor(private readonly parts: InteractionParts) {}

  /** @param step the part of the path behind the interaction's id: nothing, `login`, `passkey` or `decide`. */
  async serve(request: IncomingMessage, response: ServerResponse, uid: string, step: string, url: URL): Promise<void> {
    const details = await this.parts.provider.interactionDetails(request, response);
    if (details.uid !== uid) return gone(response);
    const texts = textsFor(details.params.ui_locales?.replaceAll(' ', ',') ?? request.headers['accept-language']);
    const visit = { request, response, details, frame: { ...this.parts.frame, texts } };
    if (request.method === 'GET' && step === '') return this.show(visit, url.searchParams.get('search'));
    if (request.method !== 'POST') return gone(response);
    const form = new URLSearchParams(await readSmallBody(request));
    if (!isCsrf(this.parts.csrfKey, uid, form.get('csrf'))) return gone(response);
    if (details.prompt.name === 'login' && (step === 'login' || step === 'passkey'))
      return this.signIn(visit, step, form);
    if (step === 'decide') return this.decide(visit, form);
    return gone(response);
  }

  private async show(visit: Visit, search: string | null): Promise<void> {
    if (visit.details.prompt.name === 'login') return this.showLogin(visit, 200);
    const asked = await requestOf(this.parts, visit.details);
    if (typeof asked === 'string') return this.showLogin(visit, 403, visit.frame.texts.problems[asked]);
    await this.showDecision(visit, asked, search ?? undefined);
  }

  private async showLogin({ response, details, frame }: Visit, status: number, problem?: string, name = '') {
    const { provider, passkeys } = this.parts;
    const form = this.formOf(details);
    const signIn = {
      action: `${form.action}/login`,
      fields: { csrf: form.csrf },
      name,
      ...(problem === undefined ? {} : { problem }),
      ...(passkeys === undefined
        ? {}
        : { passkey: { action: `${form.action}/passkey`, options: await passkeys.signInOptions(details.uid) } }),
    };
    const app = appOf(await clientOf(provider, details), details);
    sendPage(response, status, loginPage(frame, form, app, signIn), formTargets(details));
  }

  private async signIn(visit: Visit, step: 'login' | 'passkey', form: URLSearchParams): Promise<void> {
    const { request, response, details, frame } = visit;
    const place = { request, purpose: details.uid, client: details.params.client_id };
    const done = await (step === 'login' ? signInByPassword : signInByPasskey)(this.parts, place, form);
    const name = form.get('name') ?? '';
    const { problems } = frame.texts;
    if (done.kind === 'throttled') {
      response.setHeader('Retry-After', String(done.retryAfterSeconds));
      return this.showLogin(visit, 429, problems.throttled(Math.ceil(done.retryAfterSeconds / 60)), name);
    }
    if (done.kind === 'refused') return this.showLogin(visit, 401, problems[done.way], name);
    const login = { accountId: done.account.id, amr: done.amr, remember: false };
    await this.parts.provider.interactionFinished(request, response, { login }, { mergeWithLastSubmission: false });
  }

  private async decide(visit: Visit, form: URLSearchParams): Promise<void> {
    const { request, response, details, frame } = visit;
    const { provider, launches, patients, clock } = this.parts;
    const { problems } = frame.texts;
    if (form.get('decision') !== 'allow' || details.prompt.name === 'login') {
      await this.recordDecision(visit, 'deny', []);
      const refusal = { error: 'access_denied', error_description: 'the user did not allow it' };
      return provider.interactionFinished(request, response, refusal, { mergeWithLastSubmission: false });
    }
    const asked = await requestOf(this.parts, details);
    if (typeof asked === 'string') return this.showLogin(visit, 403, problems[asked]);
    const context = await contextOf(patients, asked, form.get('patient') ?? undefined);
    if (context === undefined) return this.showDecision(visit, asked, undefined, problems.noPatient);
    const { launch } = details.params;
    if (launch !== undefined && !(await launches.use(launch))) return this.showLogin(visit, 403, problems.launchUsed);
    const { grantId, allowed } = await this.grant(asked, form.getAll('scope'));
    await launches.bind(grantId, context, clock.now() + lifetimes.offline * 1000);
    await this.recordDecision(visit, 'permit', allowed, asked.account.fhirUser, context.patient);
    await provider.interactionFinished(request, response, { consent: { grantId } }, { mergeWithLastSubmission: true });
  }

  private async recordDecision(
    { request, details }: Visit,
    outcome: 'permit' | 'deny',
    allowed: readonly string[],
    actor?: string,
    patient?: string,
  ): Promise<void> {
    const { accounts, securityLog } = this.parts;
    const who = actor ?? (await accounts.byId(details.session?.accountId ?? ''))?.fhirUser;
    const scopes = outcome === 'permit' ? allowed : requestedScopes(details);
    await securityLog.record({
      kind: 'authorize',
      outcome,
      actor: who,
      client: details.params.client_id,
      address: addressOf(request),
      patients: patientsOf(who, patient === undefined ? undefined : `Patient/${patient}`),
      query: new URLSearchParams({ scope: scopes.join(' ') }).toString(),
      ...(outcome === 'permit' ? {} : { cause: 'not allowed by the user' }),
    });
  }

  /** A new grant for this authorization alone; what was not allowed is rejected in it, so that it is not asked again. */
  private async grant({ details, client, account, scopes }: AuthorizationRequest, ticked: readonly string[]) {
    const { provider, baseUrl } = this.parts;
    const grant = new provider.Grant({ accountId: account.id, clientId: client.clientId });
    const requested = requestedScopes(details);
    const allowed = requested.filter((scope) => scopes.includes(scope) && (!isChoice(scope) || ticked.includes(scope)));
    for (const scope of requested) {
      if (allowed.includes(scope)) {
        if (plainScopes.includes(scope)) grant.addOIDCScope(scope);
        grant.addResourceScope(baseUrl, scope);
      } else {
        if (plainScopes.includes(scope)) grant.rejectOIDCScope(scope);
        grant.rejectResourceScope(baseUrl, scope);
      }
    }
    return { grantId: await grant.save(), allowed };
  }

  private async showDecision(
    { response, details, frame }: Visit,
    asked: AuthorizationRequest,
    search: string | undefined,
    problem?: string,
  ): Promise<void> {
    const { account, client, scopes, prepared } = asked;
    const own = needsPatient(asked) ? await ownPatients(this.parts.patients, asked) : [];
    const patients = await patientsOnPage(this.parts.patients, asked, own, search);
    const decision: Decision = {
      app: appOf(client, details),
      user: account.displayName,
      scopes,
      patients,
      needsPatient: needsPatient(asked),
      isOwn: patients.length === 1 && account.fhirUser === `Patient/${patients[0].id}`,
      isFixed: prepared?.patient !== undefined,
      ...(own === 'any' ? { search: search ?? '' } : {}),
      ...(problem === undefined ? {} : { problem }),
    };
    const text = decisionPage(frame, this.formOf(details), decision);
    sendPage(response, problem === undefined ? 200 : 422, text, formTargets(details));
  }

  private formOf({ uid }: OidcInteraction): Form {
    return { action: `${this.parts.frame.root}/interaction/${uid}`, csrf: csrfOf(this.parts.csrfKey, uid) };
  }
}

function gone(response: ServerResponse): void {
  response.writeHead(400, { 'Content-Type': 'text/plain; charset=utf-8', 'Cache-Control': 'no-store' });
  response.end('This page is no longer valid. Go back to the app and start again.\n');
}
