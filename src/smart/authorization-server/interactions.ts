/**
 * What happens between an app's authorization request and its code: the user signs in, chooses a patient, and allows what she wants to.
 *
 * Spec: https://hl7.org/fhir/smart-app-launch/STU2.2/app-launch.html
 */
import type { IncomingMessage, ServerResponse } from 'node:http';
import type { OidcClient, OidcInteraction, Provider } from 'oidc-provider';
import type { Principal } from '../../consent/gate.js';
import type { Account, Accounts } from '../accounts/accounts.js';
import type { LaunchContext, LaunchContexts, PreparedLaunch } from '../launch-contexts.js';
import { principalOf } from '../principal-claims.js';
import { parseScope } from '../scopes.js';
import { grantable, plainScopes, type AppMetadata, type IsKnownScope } from './app-metadata.js';
import {
  decisionPage,
  loginPage,
  type AppOnPage,
  type Decision,
  type Form,
  type PatientOnPage,
} from './authorize-pages.js';
import { addressOf, csrfOf, isCsrf, readSmallBody } from './forms.js';
import { lifetimes } from './lifetimes.js';
import { sendPage, type PageFrame } from './page.js';
import type { PatientDirectory } from './patient-directory.js';
import { scopeText } from './scope-texts.js';
import { claimsOfAccount } from './token-claims.js';
import type { Clock } from '../../base/clock.js';

export interface InteractionParts {
  readonly provider: Provider;
  readonly accounts: Accounts;
  readonly launches: LaunchContexts;
  readonly patients: PatientDirectory;
  readonly clock: Clock;
  /** The FHIR base URL. */
  readonly baseUrl: string;
  readonly isKnownScope: IsKnownScope;
  readonly csrfKey: Uint8Array;
  readonly frame: PageFrame;
  /** Adds the roles of the matrix. */
  withRoles(principal: Principal): Principal;
}

/** What an authorization is about, once its user has signed in. */
interface Request {
  readonly details: OidcInteraction;
  readonly client: OidcClient;
  readonly account: Account;
  readonly principal: Principal;
  /** What the app asked for and may be granted. */
  readonly scopes: readonly string[];
  readonly prepared?: PreparedLaunch;
}

export class Interactions {
  constructor(private readonly parts: InteractionParts) {}

  /** @param step the part of the path behind the interaction's id: nothing, `login` or `decide`. */
  async serve(request: IncomingMessage, response: ServerResponse, uid: string, step: string, url: URL): Promise<void> {
    const details = await this.parts.provider.interactionDetails(request, response);
    if (details.uid !== uid) return this.gone(response);
    if (request.method === 'GET' && step === '') return this.show(response, details, url.searchParams.get('search'));
    if (request.method !== 'POST') return this.gone(response);
    const form = new URLSearchParams(await readSmallBody(request));
    if (!isCsrf(this.parts.csrfKey, uid, form.get('csrf'))) return this.gone(response);
    if (step === 'login' && details.prompt.name === 'login') return this.login(request, response, details, form);
    if (step === 'decide') return this.decide(request, response, details, form);
    return this.gone(response);
  }

  private async show(response: ServerResponse, details: OidcInteraction, search: string | null): Promise<void> {
    if (details.prompt.name === 'login') return this.showLogin(response, details, undefined, '', 200);
    const asked = await this.requestOf(details);
    if (typeof asked === 'string') return this.showProblem(response, details, asked);
    await this.showDecision(response, asked, search ?? undefined);
  }

  private async showLogin(
    response: ServerResponse,
    details: OidcInteraction,
    problem: string | undefined,
    name: string,
    status: number,
  ): Promise<void> {
    const client = await this.clientOf(details);
    const text = loginPage(this.parts.frame, this.formOf(details), appOf(client, details), problem, name);
    sendPage(response, status, text, formTargets(details));
  }

  private async login(
    request: IncomingMessage,
    response: ServerResponse,
    details: OidcInteraction,
    form: URLSearchParams,
  ): Promise<void> {
    const name = form.get('name') ?? '';
    const done = await this.parts.accounts.signIn(name, form.get('password') ?? '', addressOf(request));
    if (done.kind === 'throttled') {
      response.setHeader('Retry-After', String(done.retryAfterSeconds));
      const minutes = Math.ceil(done.retryAfterSeconds / 60);
      const text = `Too many attempts. Try again in ${minutes === 1 ? 'a minute' : `${minutes} minutes`}.`;
      return this.showLogin(response, details, text, name, 429);
    }
    if (done.kind === 'refused') {
      return this.showLogin(response, details, 'The user name or the password is not right.', name, 401);
    }
    const login = { accountId: done.account.id, amr: ['pwd'], remember: false };
    await this.parts.provider.interactionFinished(request, response, { login }, { mergeWithLastSubmission: false });
  }

  private async decide(
    request: IncomingMessage,
    response: ServerResponse,
    details: OidcInteraction,
    form: URLSearchParams,
  ): Promise<void> {
    const { provider } = this.parts;
    if (form.get('decision') !== 'allow' || details.prompt.name === 'login') {
      const refusal = { error: 'access_denied', error_description: 'the user did not allow it' };
      return provider.interactionFinished(request, response, refusal, { mergeWithLastSubmission: false });
    }
    const asked = await this.requestOf(details);
    if (typeof asked === 'string') return this.showProblem(response, details, asked);
    const context = await this.contextOf(asked, form.get('patient') ?? undefined);
    if (context === undefined) {
      return this.showDecision(response, asked, undefined, 'Choose whose records the app may use.');
    }
    const launch = details.params.launch;
    if (launch !== undefined && !(await this.parts.launches.use(launch)))
      return this.showProblem(response, details, 'This launch was used before. Start the app again.');
    const grantId = await this.grant(asked, form.getAll('scope'));
    await this.parts.launches.bind(grantId, context, this.parts.clock.now() + lifetimes.offline * 1000);
    await provider.interactionFinished(request, response, { consent: { grantId } }, { mergeWithLastSubmission: true });
  }

  /** A new grant for this authorization alone; what was not allowed is rejected in it, so that it is not asked again. */
  private async grant({ details, client, account, scopes }: Request, ticked: readonly string[]): Promise<string> {
    const { provider, baseUrl } = this.parts;
    const grant = new provider.Grant({ accountId: account.id, clientId: client.clientId });
    for (const scope of requestedScopes(details)) {
      const isChoice = scopeText(scope, '') !== undefined;
      const isAllowed = scopes.includes(scope) && (!isChoice || ticked.includes(scope));
      if (isAllowed) {
        if (plainScopes.includes(scope)) grant.addOIDCScope(scope);
        grant.addResourceScope(baseUrl, scope);
      } else {
        if (plainScopes.includes(scope)) grant.rejectOIDCScope(scope);
        grant.rejectResourceScope(baseUrl, scope);
      }
    }
    return grant.save();
  }

  /** @returns undefined when a patient is needed and none was chosen whom the user may choose. */
  private async contextOf(asked: Request, chosen: string | undefined): Promise<LaunchContext | undefined> {
    const { prepared } = asked;
    const rest: LaunchContext =
      prepared === undefined
        ? {}
        : {
            ...(prepared.encounter === undefined ? {} : { encounter: prepared.encounter }),
            ...(prepared.fhirContext === undefined ? {} : { fhirContext: prepared.fhirContext }),
            ...(prepared.intent === undefined ? {} : { intent: prepared.intent }),
            ...(prepared.needPatientBanner === undefined ? {} : { needPatientBanner: prepared.needPatientBanner }),
          };
    if (!needsPatient(asked)) return rest;
    const patient = prepared?.patient ?? chosen;
    if (patient === undefined || !(await this.mayChoose(asked, patient))) return undefined;
    return { ...rest, patient };
  }

  private async mayChoose(asked: Request, patient: string): Promise<boolean> {
    const own = await this.ownPatients(asked);
    if (own !== 'any' && !own.includes(patient)) return false;
    return (await this.parts.patients.describe(asked.principal, patient)) !== undefined;
  }

  /** Patients whom the user may choose: herself, her relatives, those of the account; a clinician whomever she may see. */
  private async ownPatients({ account, principal, prepared }: Request): Promise<readonly string[] | 'any'> {
    if (prepared?.patient !== undefined) return [prepared.patient];
    if (account.patients === 'any') return 'any';
    const [type, id] = account.fhirUser.split('/');
    const self = type === 'Patient' ? [id] : [];
    const relatives = type === 'RelatedPerson' ? await this.parts.patients.relatives(principal) : [];
    return [...new Set([...self, ...relatives, ...account.patients])];
  }

  private async showDecision(
    response: ServerResponse,
    asked: Request,
    search: string | undefined,
    problem?: string,
  ): Promise<void> {
    const { account, client, details, scopes, prepared } = asked;
    const own = needsPatient(asked) ? await this.ownPatients(asked) : [];
    const patients = await this.patientsOnPage(asked, own, search);
    const isOwn = patients.length === 1 && account.fhirUser === `Patient/${patients[0].id}`;
    const decision: Decision = {
      app: appOf(client, details),
      user: account.displayName,
      scopes,
      patients,
      needsPatient: needsPatient(asked),
      isOwn,
      isFixed: prepared?.patient !== undefined,
      ...(own === 'any' ? { search: search ?? '' } : {}),
      ...(problem === undefined ? {} : { problem }),
    };
    const text = decisionPage(this.parts.frame, this.formOf(details), decision);
    sendPage(response, problem === undefined ? 200 : 422, text, formTargets(details));
  }

  private async patientsOnPage(
    { principal }: Request,
    own: readonly string[] | 'any',
    search: string | undefined,
  ): Promise<readonly PatientOnPage[]> {
    const { patients } = this.parts;
    if (own === 'any') return search === undefined || search.trim() === '' ? [] : patients.find(principal, search);
    const described = await Promise.all(own.map((id) => patients.describe(principal, id)));
    return described.filter((patient) => patient !== undefined);
  }

  /** The request behind the interaction, or why it cannot go on. */
  private async requestOf(details: OidcInteraction): Promise<Request | string> {
    const { accounts, launches, isKnownScope, withRoles } = this.parts;
    const account = await accounts.byId(details.session?.accountId ?? '');
    if (account === undefined) return 'This account is closed.';
    const client = await this.clientOf(details);
    const scopes = grantable(requestedScopes(details), client as AppMetadata, false, isKnownScope);
    const principal = withRoles(
      principalOf({ ...claimsOfAccount(account), scope: 'user/*.rs', client_id: client.clientId }),
    );
    const { launch } = details.params;
    if (launch === undefined) return { details, client, account, principal, scopes };
    const prepared = await launches.find(launch);
    if (prepared === undefined) return 'This launch was used before, or its time is over. Start the app again.';
    if (prepared.user !== undefined && prepared.user !== account.fhirUser)
      return 'The app was started by somebody else than you. Sign out, and start it again.';
    return { details, client, account, principal, scopes, prepared };
  }

  private async clientOf({ params }: OidcInteraction): Promise<OidcClient> {
    const client = await this.parts.provider.Client.find(params.client_id ?? '');
    if (client === undefined) throw new Error('the app of an interaction is gone');
    return client;
  }

  private formOf({ uid }: OidcInteraction): Form {
    return { action: `${this.parts.frame.root}/interaction/${uid}`, csrf: csrfOf(this.parts.csrfKey, uid) };
  }

  private async showProblem(response: ServerResponse, details: OidcInteraction, problem: string): Promise<void> {
    return this.showLogin(response, details, problem, '', 403);
  }

  private gone(response: ServerResponse): void {
    response.writeHead(400, { 'Content-Type': 'text/plain; charset=utf-8', 'Cache-Control': 'no-store' });
    response.end('This page is no longer valid. Go back to the app and start again.\n');
  }
}

function requestedScopes({ params }: OidcInteraction): string[] {
  return (params.scope ?? '').split(' ').filter(Boolean);
}

function needsPatient({ scopes, prepared }: Request): boolean {
  if (prepared?.patient !== undefined) return true;
  return scopes.includes('launch/patient') || scopes.some((scope) => parseScope(scope)?.level === 'patient');
}

function appOf(client: OidcClient, { params }: OidcInteraction): AppOnPage {
  const { clientId, clientName, policyUri } = client;
  const redirect = params.redirect_uri ?? '';
  const { host, protocol } = URL.canParse(redirect) ? new URL(redirect) : { host: '', protocol: '' };
  return {
    name: clientName ?? clientId,
    host: host === '' ? `this device (${protocol.replace(':', '')})` : host,
    isTrusted: client.mooring_trusted === true,
    ...(policyUri === undefined ? {} : { policyUri }),
  };
}

/** Where the last redirect goes: browsers check it against the page's form-action. */
function formTargets({ params }: OidcInteraction): string[] {
  const redirect = params.redirect_uri ?? '';
  if (!URL.canParse(redirect)) return [];
  const { origin, protocol } = new URL(redirect);
  return [origin === 'null' ? protocol : origin];
}
