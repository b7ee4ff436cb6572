/** Pages that oidc-provider asks for: errors, signing out. */
import type { KoaContext } from 'oidc-provider';
import { html, Html } from './html.js';
import { page, pageHeaders, type PageFrame } from './page.js';

interface ErrorFacts {
  readonly error: string;
  readonly error_description?: string;
}

export interface ProviderPages {
  renderError(context: KoaContext, facts: ErrorFacts): void;
  /** @param form made by oidc-provider: the hidden fields that end the session. */
  logoutSource(context: KoaContext, form: string): void;
  postLogoutSuccessSource(context: KoaContext): void;
}

export function providerPages(frame: PageFrame): ProviderPages {
  function show(context: KoaContext, title: string, content: Html): void {
    for (const [name, value] of Object.entries(pageHeaders())) context.set(name, value);
    context.body = page(frame, title, content);
  }

  return {
    renderError(context, { error, error_description: description }) {
      const content = html`<h1>This did not work</h1>
        <p>
          The app asked for access in a way that this server does not take. Go back to the app and try again; if it
          happens again, tell its makers:
        </p>
        <p class="problem">${error}${description === undefined ? '' : `: ${description}`}</p>`;
      show(context, 'This did not work', content);
    },

    logoutSource(context, form) {
      const content = html`<h1>Sign out?</h1>
        <p>
          Apps that need you to be signed in lose their access. Apps that you allowed to go on without you keep theirs.
        </p>
        ${new Html(form)}
        <div class="buttons">
          <button type="submit" form="op.logoutForm" name="logout" value="yes">Sign out</button>
          <button class="second" type="submit" form="op.logoutForm">Stay signed in</button>
        </div>`;
      show(context, 'Sign out', content);
    },

    postLogoutSuccessSource(context) {
      const content = html`<h1>You are signed out</h1>
        <p>You can close this page.</p>`;
      show(context, 'Signed out', content);
    },
  };
}
