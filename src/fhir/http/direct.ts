/**
 * The short way to resources, past express.
 *
 * Express gives every request and response other prototypes, which makes them slow: 100 microseconds of processor time a request, more than all of
 * node's HTTP (bench: `npm run bench -- reads`). What concerns every FHIR request therefore belongs into the FHIR handler, not into express.
 */
import type { IncomingMessage, ServerResponse } from 'node:http';

export type HttpHandler = (request: IncomingMessage, response: ServerResponse) => unknown;

const base = '/fhir/';

/** `/fhir/Type...` goes to `fhir`, everything else to `app`. @param fhir gets the URL below `/fhir`. */
export function direct(app: HttpHandler, fhir: HttpHandler): HttpHandler {
  return (request, response) => {
    const { url = '' } = request;
    if (!isResourceUrl(url)) return app(request, response);
    request.url = url.slice(base.length - 1);
    return fhir(request, response);
  };
}

/** Names of types begin with a capital letter. */
function isResourceUrl(url: string): boolean {
  if (!url.startsWith(base)) return false;
  const first = url.charCodeAt(base.length);
  return first >= 65 && first <= 90;
}
