/** The two pages of an authorization: who are you, and may this app do this? */
import { html, type Html } from './html.js';
import { lifetimes } from './lifetimes.js';
import { page, type PageIn } from './page.js';
import { scopeText } from './scope-texts.js';
import { signInForm, type SignInForm } from './sign-in-form.js';
import type { Texts } from './texts/texts.js';

export interface Form {
  /** Where the page's forms go: `/oauth/interaction/…`. */
  readonly action: string;
  /** Proves that a form was filled in on our own page. */
  readonly csrf: string;
}

export interface AppOnPage {
  readonly name: string;
  /** Host of its own pages; absent for an app on the user's device. */
  readonly host?: string;
  /** Scheme of its redirect where it is on the device: `org.example.app`. */
  readonly scheme: string;
  /** The operator registered it; else it registered itself. */
  readonly isTrusted: boolean;
  readonly policyUri?: string;
}

export interface PatientOnPage {
  readonly id: string;
  readonly name?: string;
  /** `1984-05-02`, `1984-05` or `1984`. */
  readonly birthDate?: string;
}

export function loginPage(frame: PageIn, form: Form, app: AppOnPage, signIn: SignInForm): string {
  const { texts } = frame;
  return page(
    frame,
    texts.signIn.title,
    html`<h1>${texts.signIn.title}</h1>
      <p>${texts.signIn.wants(app.name, placeOf(texts, app))}</p>
      ${signInForm(texts, signIn)} ${cancelForm(texts, form)}`,
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

export function decisionPage(frame: PageIn, form: Form, decision: Decision): string {
  const { app, user, scopes, problem } = decision;
  const { texts } = frame;
  const words = texts.decision;
  return page(
    frame,
    words.title(app.name),
    html`<h1>${words.question(app.name, decision.isOwn)}</h1>
      <p class="quiet">
        ${words.signedInAs(user)} ${words.notYou} <a href="${frame.root}/logout">${words.signOut}</a>.
      </p>
      ${problem === undefined ? undefined : html`<p class="problem" role="alert">${problem}</p>`}
      ${decision.search === undefined ? undefined : searchForm(texts, form, decision.search)}
      <form method="post" action="${form.action}/decide">
        <input type="hidden" name="csrf" value="${form.csrf}" />
        ${decision.needsPatient ? patientChoice(texts, decision) : undefined}
        ${scopeChoice(texts, scopes, decision.isOwn)}
        <h2>${words.toWhom}</h2>
        ${appText(texts, app)}
        <h2>${words.howLong}</h2>
        <p>${durationText(texts, scopes)}</p>
        <p class="quiet">${words.endAnyTime} <a href="${frame.root}/apps">${texts.apps.title}</a>.</p>
        <div class="buttons">
          <button type="submit" name="decision" value="allow">${words.allow}</button>
          <button class="second" type="submit" name="decision" value="deny" formnovalidate>${words.refuse}</button>
        </div>
      </form>`,
  );
}

function patientChoice({ decision: words }: Texts, { patients, isFixed, search }: Decision): Html {
  if (patients.length === 0) {
    const text = search === undefined || search === '' ? words.lookAbove : words.nobody;
    return html`<h2>${words.whose}</h2>
      <p>${text}</p>`;
  }
  if (isFixed || (patients.length === 1 && search === undefined))
    return html`<h2>${words.whose}</h2>
      <p>${words.patient(patients[0].name, patients[0].birthDate)}</p>
      <input type="hidden" name="patient" value="${patients[0].id}" />`;
  return html`<fieldset>
    <legend>${words.whose}</legend>
    <ul class="choices">
      ${patients.map(
        ({ id, name, birthDate }) =>
          html`<li>
            <label>
              <input type="radio" name="patient" value="${id}" required />
              <span>${words.patient(name, birthDate)}</span>
            </label>
          </li>`,
      )}
    </ul>
  </fieldset>`;
}

function scopeChoice({ decision: words, scopes: scopeWords }: Texts, scopes: readonly string[], isOwn: boolean): Html {
  const choices = scopes.flatMap((scope) => {
    const text = scopeText(scopeWords, scope, isOwn);
    return text === undefined ? [] : [{ scope, text }];
  });
  if (choices.length === 0)
    return html`<h2>${words.what}</h2>
      <p>${words.nothing}</p>`;
  return html`<fieldset>
    <legend>${words.whatMay}</legend>
    <p class="quiet">${words.untick}</p>
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

function appText(texts: Texts, app: AppOnPage): Html {
  const { name, isTrusted, policyUri } = app;
  const words = texts.decision;
  return html`<p><strong>${name}</strong>. ${words.runsAt(placeOf(texts, app))}</p>
    ${isTrusted ? undefined : html`<p class="caution">${words.selfMade}</p>`}
    ${policyUri === undefined ? undefined : html`<p><a href="${policyUri}" rel="noreferrer">${words.policy}</a></p>`}`;
}

function placeOf({ decision }: Texts, { host, scheme }: AppOnPage): string {
  return host ?? decision.onDevice(scheme);
}

function durationText({ decision }: Texts, scopes: readonly string[]): string {
  if (scopes.includes('offline_access')) return decision.days(Math.round(lifetimes.offline / 86_400));
  if (scopes.includes('online_access')) return decision.session(lifetimes.session / 3_600);
  return decision.hour;
}

function searchForm({ decision }: Texts, { action }: Form, search: string): Html {
  return html`<form method="get" action="${action}" role="search">
    <label for="search">${decision.searchLabel}</label>
    <input type="search" id="search" name="search" value="${search}" />
    <div class="buttons"><button class="second" type="submit">${decision.search}</button></div>
  </form>`;
}

function cancelForm({ signIn }: Texts, { action, csrf }: Form): Html {
  return html`<form method="post" action="${action}/decide">
    <input type="hidden" name="csrf" value="${csrf}" />
    <p><button class="second" type="submit" name="decision" value="deny">${signIn.cancel}</button></p>
  </form>`;
}
