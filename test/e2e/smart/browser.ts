/** A browser without a screen or script: follows redirects, keeps cookies, fills in forms. */
import { createHash, randomBytes } from 'node:crypto';

export interface Page {
  readonly status: number;
  readonly url: string;
  readonly text: string;
  readonly headers: Headers;
}

export class Browser {
  private readonly cookies = new Map<string, { value: string; path: string }>();

  /** Follows redirects as long as they stay below `origin`. */
  constructor(private readonly origin: string) {}

  async open(url: string, form?: Record<string, string | string[]>): Promise<Page> {
    let next = { url, form };
    for (let step = 0; step < 12; step += 1) {
      const page = await this.once(next.url, next.form);
      const location = page.headers.get('location');
      if (location === null || page.status < 300 || page.status >= 400) return page;
      const target = new URL(location, next.url).href;
      if (!target.startsWith(`${this.origin}/`)) return { ...page, url: target };
      next = { url: target, form: undefined };
    }
    throw new Error('redirected in a circle');
  }

  /** Sends the form of `page` whose action ends with `ending`. */
  submit(page: Page, ending: string, fields: Record<string, string | string[]>): Promise<Page> {
    const action = [...page.text.matchAll(/<form method="post" action="([^"]+)"/g)].map(([, found]) => found);
    const found = action.find((one) => one.endsWith(ending));
    if (found === undefined) throw new Error(`no form ends with ${ending}: ${page.status} ${page.text}`);
    const csrf = /name="csrf" value="([^"]+)"/.exec(page.text)?.[1] ?? '';
    return this.open(new URL(found, page.url).href, { csrf, ...fields });
  }

  private async once(url: string, form: Record<string, string | string[]> | undefined): Promise<Page> {
    const body = new URLSearchParams();
    for (const [name, value] of Object.entries(form ?? {})) {
      for (const one of [value].flat()) body.append(name, one);
    }
    const response = await fetch(url, {
      redirect: 'manual',
      headers: {
        Accept: 'text/html',
        Cookie: this.cookiesFor(new URL(url).pathname),
        ...(form === undefined ? {} : { 'Content-Type': 'application/x-www-form-urlencoded' }),
      },
      ...(form === undefined ? {} : { method: 'POST', body: body.toString() }),
    });
    for (const line of response.headers.getSetCookie()) this.keep(line);
    return { status: response.status, url, text: await response.text(), headers: response.headers };
  }

  private cookiesFor(path: string): string {
    return [...this.cookies]
      .filter(([, { path: cookiePath, value }]) => value !== '' && path.startsWith(cookiePath))
      .map(([name, { value }]) => `${name}=${value}`)
      .join('; ');
  }

  private keep(line: string): void {
    const [pair, ...attributes] = line.split(';').map((part) => part.trim());
    const at = pair.indexOf('=');
    const path = attributes.find((one) => one.toLowerCase().startsWith('path='))?.slice(5) ?? '/';
    const isGone = attributes.some((one) => /^expires=thu, 01 jan 1970/i.test(one));
    this.cookies.set(pair.slice(0, at), { value: isGone ? '' : pair.slice(at + 1), path });
  }
}

/** A PKCE pair (S256). */
export function pkce(): { verifier: string; challenge: string } {
  const verifier = randomBytes(32).toString('base64url');
  return { verifier, challenge: createHash('sha256').update(verifier).digest('base64url') };
}

/** The code of a redirect to the app, or its error. */
export function answerOf(url: string): Record<string, string> {
  return Object.fromEntries(new URL(url).searchParams);
}
