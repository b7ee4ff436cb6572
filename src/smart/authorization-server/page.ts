/** The frame of every page that people see: nothing from elsewhere, never in a frame of somebody else, never kept in a cache. */
import type { ServerResponse } from 'node:http';
import { html, type Html } from './html.js';
import type { Texts } from './texts/texts.js';

/** The first is shared with the pages for patients. */
export const stylePaths = ['base.css', 'smart.css'] as const;
/** The one script: passkeys. Every page works without it. */
export const scriptPath = 'passkey.js';

export interface PageFrame {
  /** Path of the authorization server: `/oauth`. */
  readonly root: string;
  /** Name of the place that the page is of: the host of the server. */
  readonly place: string;
}

/** A page in one language. */
export interface PageIn extends PageFrame {
  readonly texts: Texts;
}

export function page({ root, place, texts }: PageIn, title: string, content: Html): string {
  return html`<!doctype html>
    <html lang="${texts.language}">
      <head>
        <meta charset="utf-8" />
        <meta name="viewport" content="width=device-width, initial-scale=1" />
        <title>${title}</title>
        ${stylePaths.map((path) => html`<link rel="stylesheet" href="${root}/${path}" />`)}
        <script src="${root}/${scriptPath}" defer></script>
      </head>
      <body>
        <p class="place">${texts.place(place)}</p>
        <main>${content}</main>
      </body>
    </html>`.text;
}

/** @param formTargets origins beside our own to which a form of the page may lead in the end (browsers look at redirects too). */
export function pageHeaders(formTargets: readonly string[] = []): Record<string, string> {
  const targets = ["'self'", ...formTargets].join(' ');
  return {
    'Content-Type': 'text/html; charset=utf-8',
    'Content-Security-Policy': `default-src 'none'; style-src 'self'; script-src 'self'; form-action ${targets}; frame-ancestors 'none'; base-uri 'none'`,
    'X-Frame-Options': 'DENY',
    'X-Content-Type-Options': 'nosniff',
    'Referrer-Policy': 'no-referrer',
    'Cache-Control': 'no-store',
    Vary: 'Accept-Language',
  };
}

export function sendPage(
  response: ServerResponse,
  status: number,
  text: string,
  formTargets?: readonly string[],
): void {
  response.writeHead(status, pageHeaders(formTargets));
  response.end(text);
}
