/** Cross-origin requests of browser apps. Spec: https://fetch.spec.whatwg.org/#http-cors-protocol */
import type { IncomingMessage, ServerResponse } from 'node:http';

const exposed =
  'Content-Location, DPoP-Nonce, ETag, Last-Modified, Location, Preference-Applied, X-Request-Id, X-Progress, Retry-After, WWW-Authenticate';
const methods = 'GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS';
const headers =
  'Accept, Authorization, Content-Type, DPoP, If-Match, If-Modified-Since, If-None-Exist, If-None-Match, Prefer, X-Break-Glass-Reason, X-Purpose-Of-Use, X-Request-Id';

export interface Origins {
  readonly config: { readonly allowedOrigins: readonly string[] };
  /** Whether a page of this origin is an app that is registered here; absent: apps are registered elsewhere. */
  isAppOrigin?(origin: string): Promise<boolean>;
}

/**
 * Lets the page that asks read the answer: any page that of a public endpoint (discovery), a page of a registered app or of an origin that the
 * operator named (`*`: any) every answer. A token is needed all the same.
 */
export async function allowOrigin(
  response: ServerResponse,
  origin: string,
  isPublic: boolean,
  origins: Origins,
): Promise<void> {
  const { allowedOrigins } = origins.config;
  const isNamed = isPublic || allowedOrigins.includes('*') || allowedOrigins.includes(origin);
  if (!isNamed && (await origins.isAppOrigin?.(origin)) !== true) return;
  response.setHeader('Access-Control-Allow-Origin', origin);
  response.setHeader('Access-Control-Expose-Headers', exposed);
}

export function isPreflight(request: IncomingMessage): boolean {
  return request.method === 'OPTIONS';
}

export function answerPreflight(response: ServerResponse): void {
  if (response.hasHeader('Access-Control-Allow-Origin')) {
    response.setHeader('Access-Control-Allow-Methods', methods);
    response.setHeader('Access-Control-Allow-Headers', headers);
    response.setHeader('Access-Control-Max-Age', '600');
  }
  response.setHeader('Allow', methods);
  response.statusCode = 204;
  response.end();
}
