/** A form that asks the device for a passkey; hidden until web/passkey.js finds that there are any. */
import { html, type Html } from './html.js';

export interface PasskeyForm {
  readonly action: string;
  /** `get`: sign in; `create`: add one. */
  readonly way: 'get' | 'create';
  readonly options: object;
  /** Hidden fields. */
  readonly fields: Readonly<Record<string, string>>;
  readonly button: string;
}

export function passkeyForm({ action, way, options, fields, button }: PasskeyForm): Html {
  return html`<form method="post" action="${action}" data-passkey="${JSON.stringify({ way, options })}" hidden>
    ${Object.entries(fields).map(([name, value]) => html`<input type="hidden" name="${name}" value="${value}" />`)}
    <input type="hidden" name="credential" value="" />
    <div class="buttons"><button class="second" type="submit">${button}</button></div>
  </form>`;
}
