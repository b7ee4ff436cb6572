/**
 * The organisation's public keys over HTTP: `GET /.well-known/jwt-vc-issuer/fhir` for the issuer `<public URL>/fhir`.
 *
 * Spec: SD-JWT VC, "JWT VC Issuer Metadata". The same keys stand in the network's directory of organisations on the chain.
 */
import type { LogDoor } from './log-door.js';
import type { OrganisationKey } from './sd-jwt.js';

/** @param issuer base URL of the FHIR door. */
export function createIssuerDoor(issuer: string, { publicJwk }: OrganisationKey): LogDoor {
  const path = `/.well-known/jwt-vc-issuer${new URL(issuer).pathname}`;
  const body = JSON.stringify({ issuer, jwks: { keys: [publicJwk] } });
  return {
    serve(request, response) {
      const [asked] = (request.url ?? '').split('?');
      if (asked !== path) return false;
      if (request.method !== 'GET' && request.method !== 'HEAD') {
        response.writeHead(405, { Allow: 'GET, HEAD' }).end();
        return true;
      }
      const headers = { 'Content-Type': 'application/json', 'Content-Length': Buffer.byteLength(body) };
      response.writeHead(200, { ...headers, 'Cache-Control': 'max-age=300', 'Access-Control-Allow-Origin': '*' });
      response.end(request.method === 'HEAD' ? undefined : body);
      return true;
    },
  };
}
