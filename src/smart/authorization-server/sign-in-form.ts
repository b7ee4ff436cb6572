/** Name, password, or a passkey: the part of a page on which somebody signs in. */
import { html, type Html } from './html.js';
import { passkeyForm } from './passkey-form.js';
import type { Texts } from './texts/texts.js';

export interface SignInForm {
  /** Where name and password go. */
  readonly action: string;
  /** Where the passkey goes, with what is asked of the device; absent: none are offered here. */
  readonly passkey?: { readonly action: string; readonly options: object };
  /** Hidden fields of both forms. */
  readonly fields: Readonly<Record<string, string>>;
  readonly problem?: string;
  /** What was typed before. */
  readonly name: string;
}

export function signInForm(texts: Texts, { action, passkey, fields, problem, name }: SignInForm): Html {
  const { signIn } = texts;
  return html`${problem === undefined ? undefined : html`<p class="problem" role="alert">${problem}</p>`}
    <form method="post" action="${action}">
      ${Object.entries(fields).map(([field, value]) => html`<input type="hidden" name="${field}" value="${value}" />`)}
      <label for="name">${signIn.name}</label>
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
      <label for="password">${signIn.password}</label>
      <input
        type="password"
        id="password"
        name="password"
        autocomplete="current-password"
        required
        ${autofocus(name !== '')}
      />
      <div class="buttons"><button type="submit">${signIn.button}</button></div>
    </form>
    ${passkey === undefined ? undefined : passkeyForm({ ...passkey, way: 'get', fields, button: signIn.passkey })}`;
}

function autofocus(isWanted: boolean): Html | undefined {
  return isWanted ? html`autofocus` : undefined;
}
