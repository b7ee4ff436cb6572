/** Pages that oidc-provider asks for: errors, signing out. */
import type { KoaContext } from 'oidc-provider';
import { html, Html } from './html.js';
import { page, pageHeaders } from './page.js';

interface PageContext extends KoaContext {
  readonly host: string;
  readonly mountPath?: string;
}

export function renderErrorPage(context: PageContext, out: { error: string; error_description?: string }): void {
  const { error, error_description: description } = out;
  const content = html`<h1>This did not work</h1>
    <p>
      The app asked for access in a way that this server does not take. Go back to the app and try again; if it happens
      again, tell its makers:
    </p>
    <p class="problem">${error}${description === undefined ? '' : `: ${description}`}</p>`;
  show(context, 'This did not work', content);
}

/** @param form made by oidc-provider: the hidden fields that end the session. */
export function renderLogoutPage(context: PageContext, form: string): void {
  const content = html`<h1>Sign out?</h1>
    <p>Apps that need you to be signed in lose their access. Apps that you allowed to go on without you keep theirs.</p>
    ${new Html(form)}
    <div class="buttons">
      <button type="submit" form="op.logoutForm" name="logout" value="yes">Sign out</button>
      <button class="second" type="submit" form="op.logoutForm">Stay signed in</button>
    </div>`;
  show(context, 'Sign out', content);
}

export function renderSignedOutPage(context: PageContext): void {
  show(
    context,
    'Signed out',
    html`<h1>You are signed out</h1>
      <p>You can close this page.</p>`,
  );
}

function show(context: PageContext, title: string, content: Html): void {
  for (const [name, value] of Object.entries(pageHeaders())) context.set(name, value);
  context.body = page({ root: '/oauth', place: context.host }, title, content);
}
