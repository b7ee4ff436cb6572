/** The two pages of an authorization: who are you, and may this app do this? */
import { html, type Html } from './html.js';
import { lifetimes } from './lifetimes.js';
import { page, type PageFrame } from './page.js';
import { scopeText } from './scope-texts.js';

export interface Form {
  /** Where the page's forms go: `/oauth/interaction/…`. */
  readonly action: string;
  /** Proves that a form was filled in on our own page. */
  readonly csrf: string;
}

export interface AppOnPage {
  readonly name: string;
  /** Host of its own pages. */
  readonly host: string;
  /** The operator registered it; else it registered itself. */
  readonly isTrusted: boolean;
  readonly policyUri?: string;
}

export interface PatientOnPage {
  readonly id: string;
  readonly label: string;
}

export function loginPage(
  frame: PageFrame,
  form: Form,
  app: AppOnPage,
  problem: string | undefined,
  name: string,
): string {
  return page(
    frame,
    'Sign in',
    html`<h1>Sign in</h1>
      <p><strong>${app.name}</strong> (${app.host}) wants to use health records. Sign in to decide.</p>
      ${problem === undefined ? undefined : html`<p class="problem" role="alert">${problem}</p>`}
      <form method="post" action="${form.action}/login">
        <input type="hidden" name="csrf" value="${form.csrf}" />
        <label for="name">User name</label>
        <input
          type="text"
          id="name"
          name="name"
          value="${name}"
          autocomplete="username"
          autocapitalize="none"
          spellcheck="false"
          required
          ${autofocus(name === '')}
        />
        <label for="password">Password</label>
        <input
          type="password"
          id="password"
          name="password"
          autocomplete="current-password"
          required
          ${autofocus(name !== '')}
        />
        <div class="buttons"><button type="submit">Sign in</button></div>
      </form>
      ${cancelForm(form)}`,
  );
}

export interface Decision {
  readonly app: AppOnPage;
  /** How the user is addressed. */
  readonly user: string;
  readonly scopes: readonly string[];
  readonly patients: readonly PatientOnPage[];
  /** The app needs one patient. */
  readonly needsPatient: boolean;
  /** The user is the patient: pages say "your". */
  readonly isOwn: boolean;
  /** The patient comes from the EHR and cannot be chosen. */
  readonly isFixed: boolean;
  /** Whom the user looked for; undefined: the choice is not by search. */
  readonly search?: string;
  readonly problem?: string;
}

export function decisionPage(frame: PageFrame, form: Form, decision: Decision): string {
  const { app, user, scopes, problem } = decision;
  const whose = decision.isOwn ? 'your' : 'the patient’s';
  const owner = decision.isOwn ? 'your health records' : 'health records';
  return page(
    frame,
    `Allow ${app.name}?`,
    html`<h1>Allow ${app.name} to use ${owner}?</h1>
      <p class="quiet">You are signed in as ${user}. Not you? <a href="${frame.root}/logout">Sign out</a>.</p>
      ${problem === undefined ? undefined : html`<p class="problem" role="alert">${problem}</p>`}
      ${decision.search === undefined ? undefined : searchForm(form, decision.search)}
      <form method="post" action="${form.action}/decide">
        <input type="hidden" name="csrf" value="${form.csrf}" />
        ${decision.needsPatient ? patientChoice(decision) : undefined} ${scopeChoice(scopes, whose)}
        <h2>To whom?</h2>
        ${appText(app)}
        <h2>For how long?</h2>
        <p>${durationText(scopes)}</p>
        <p class="quiet">You can end it at any time: <a href="${frame.root}/apps">apps that use your records</a>.</p>
        <div class="buttons">
          <button type="submit" name="decision" value="allow">Allow</button>
          <button class="second" type="submit" name="decision" value="deny" formnovalidate>Do not allow</button>
        </div>
      </form>`,
  );
}

function patientChoice({ patients, isFixed, search }: Decision): Html {
  if (patients.length === 0) {
    const text = search === undefined || search === '' ? 'Look for the patient above.' : 'Nobody was found.';
    return html`<h2>Whose records?</h2>
      <p>${text}</p>`;
  }
  if (isFixed || (patients.length === 1 && search === undefined))
    return html`<h2>Whose records?</h2>
      <p>${patients[0].label}</p>
      <input type="hidden" name="patient" value="${patients[0].id}" />`;
  return html`<fieldset>
    <legend>Whose records?</legend>
    <ul class="choices">
      ${patients.map(
        ({ id, label }) =>
          html`<li>
            <label><input type="radio" name="patient" value="${id}" required /> <span>${label}</span></label>
          </li>`,
      )}
    </ul>
  </fieldset>`;
}

function scopeChoice(scopes: readonly string[], whose: string): Html {
  const choices = scopes.flatMap((scope) => {
    const text = scopeText(scope, whose);
    return text === undefined ? [] : [{ scope, text }];
  });
  if (choices.length === 0)
    return html`<h2>What?</h2>
      <p>Nothing but that you have signed in.</p>`;
  return html`<fieldset>
    <legend>What may it do?</legend>
    <p class="quiet">Take away the tick where you do not want it.</p>
    <ul class="choices">
      ${choices.map(
        ({ scope, text }) =>
          html`<li>
            <label><input type="checkbox" name="scope" value="${scope}" checked /> <span>${text}</span></label>
          </li>`,
      )}
    </ul>
  </fieldset>`;
}

function appText({ name, host, isTrusted, policyUri }: AppOnPage): Html {
  return html`<p><strong>${name}</strong>, which runs at <strong>${host}</strong>.</p>
    ${isTrusted ? undefined : html`<p class="caution">This app registered itself. Nobody here has looked at it: allow it only if you know and trust it.</p>`}
    ${policyUri === undefined ? undefined : html`<p><a href="${policyUri}" rel="noreferrer">What the app does with the data</a></p>`}`;
}

function durationText(scopes: readonly string[]): string {
  const days = Math.round(lifetimes.offline / 86_400);
  if (scopes.includes('offline_access')) return `${days} days, also while you are away, unless you end it earlier.`;
  if (scopes.includes('online_access'))
    return `As long as you stay signed in, ${lifetimes.session / 3_600} hours at most.`;
  return `One hour. Then the app has to ask again.`;
}

function searchForm({ action }: Form, search: string): Html {
  return html`<form method="get" action="${action}" role="search">
    <label for="search">Patient: name, or identifier</label>
    <input type="search" id="search" name="search" value="${search}" />
    <div class="buttons"><button class="second" type="submit">Look for the patient</button></div>
  </form>`;
}

function cancelForm({ action, csrf }: Form): Html {
  return html`<form method="post" action="${action}/decide">
    <input type="hidden" name="csrf" value="${csrf}" />
    <p><button class="second" type="submit" name="decision" value="deny">Cancel and go back to the app</button></p>
  </form>`;
}

function autofocus(isWanted: boolean): Html | undefined {
  return isWanted ? html`autofocus` : undefined;
}
