/** Pages that oidc-provider asks for: errors, signing out. */
import type { KoaContext } from 'oidc-provider';
import { html, Html } from './html.js';
import { page, pageHeaders, type PageFrame } from './page.js';
import { textsFor } from './texts/languages.js';
import type { Texts } from './texts/texts.js';

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
  function show(context: KoaContext, make: (texts: Texts) => readonly [title: string, content: Html]): void {
    const texts = textsFor(context.req.headers['accept-language']);
    for (const [name, value] of Object.entries(pageHeaders())) context.set(name, value);
    context.body = page({ ...frame, texts }, ...make(texts));
  }

  return {
    renderError(context, { error, error_description: description }) {
      show(context, ({ error: { title, text } }) => [
        title,
        html`<h1>${title}</h1>
          <p>${text}</p>
          <p class="problem">${error}${description === undefined ? '' : `: ${description}`}</p>`,
      ]);
    },

    logoutSource(context, form) {
      show(context, ({ logout }) => [
        logout.title,
        html`<h1>${logout.question}</h1>
          <p>${logout.text}</p>
          ${new Html(form)}
          <div class="buttons">
            <button type="submit" form="op.logoutForm" name="logout" value="yes">${logout.title}</button>
            <button class="second" type="submit" form="op.logoutForm">${logout.stay}</button>
          </div>`,
      ]);
    },

    postLogoutSuccessSource(context) {
      show(context, ({ logout }) => [
        logout.done,
        html`<h1>${logout.done}</h1>
          <p>${logout.close}</p>`,
      ]);
    },
  };
}
