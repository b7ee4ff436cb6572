/** Cross-origin requests of browser apps. Spec: https://fetch.spec.whatwg.org/#http-cors-protocol */
import type { IncomingMessage, ServerResponse } from 'node:http';

const exposed =
  'Content-Location, DPoP-Nonce, ETag, Last-Modified, Location, Preference-Applied, X-Request-Id, X-Progress, Retry-After, WWW-Authenticate';
const methods = 'GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS';
const headers =
  'Accept, Authorization, Content-Type, DPoP, If-Match, If-Modified-Since, If-None-Exist, If-None-Match, Prefer, X-Request-Id';

/** Lets the page that asks read the answer, when its origin is one of `origins` (`*`: any). */
export function allowOrigin(request: IncomingMessage, response: ServerResponse, origins: readonly string[]): void {
  const { origin } = request.headers;
  if (origin === undefined || !(origins.includes('*') || origins.includes(origin))) return;
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
