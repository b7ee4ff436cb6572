/** What apps may ask of the authorization server: which tokens they learn of, what they may register, how they name the server and their launch. */
import { errors, type KoaContext, type OidcClient, type OidcToken } from 'oidc-provider';
import type { Clock } from '../../base/clock.js';
import type { LaunchContexts } from '../launch-contexts.js';
import { operatorProperties } from './app-metadata.js';

/** A resource server, or the app that the token was issued to. */
export function mayIntrospect(_ctx: KoaContext, client: OidcClient, token: OidcToken): boolean {
  return token.clientId === client.clientId || client.mooring_introspection === true;
}

/** An app revokes its own tokens; about others it learns nothing (RFC 7009, 2.1). */
export function isOwn(_ctx: KoaContext, client: OidcClient, token: OidcToken): boolean {
  return token.clientId === client.clientId;
}

/** SMART allows assertions of five minutes; clocks differ by some seconds. */
const longestAssertionS = 300;
const skewS = 10;

/**
 * @throws InvalidClientAuth for an assertion that could be used longer than that.
 * Spec: https://hl7.org/fhir/smart-app-launch/STU2.2/client-confidential-asymmetric.html#authenticating-to-the-token-endpoint
 */
export function checkAssertion({ now }: Clock, { exp }: { readonly exp?: number }): void {
  if (exp !== undefined && exp <= now() / 1000 + longestAssertionS + skewS) return;
  throw new errors.InvalidClientAuth(`exp of the client assertion is more than ${longestAssertionS} seconds ahead`);
}

/** @param ctx present when somebody registers the app over HTTP. @param metadata all of it. */
export function checkRegistration(
  ctx: KoaContext | undefined,
  name: string,
  value: unknown,
  metadata: { readonly redirect_uris?: readonly string[] },
): void {
  if (ctx === undefined) return;
  if (operatorProperties.some((property) => property === name) && value !== undefined)
    throw new errors.InvalidClientMetadata(`${name} is for the operator to set`);
  const open = metadata.redirect_uris?.find((uri) => /^http:\/\/(?!(localhost|127\.0\.0\.1|\[::1\])[:/])/i.test(uri));
  if (open !== undefined)
    throw new errors.InvalidClientMetadata('redirect_uris are expected to be https, or on this device');
}

/**
 * `aud` and `launch`: checked when the request comes.
 * @param withoutResource requests that do not name the resource (RFC 8707).
 * Spec: https://hl7.org/fhir/smart-app-launch/STU2.2/app-launch.html#request-4
 */
export function requestParameters(
  { audiences, launches }: { readonly audiences: readonly string[]; readonly launches: LaunchContexts },
  withoutResource: WeakSet<KoaContext>,
) {
  return {
    aud(ctx: KoaContext, aud: string | undefined) {
      // Looked at when it was pushed; oidc-provider keeps pushed requests as JWTs, whose aud is another thing.
      if (ctx.oidc?.entities.PushedAuthorizationRequest !== undefined) return;
      const { scope = '' } = ctx.oidc?.params ?? {};
      if (aud === undefined) {
        if (withoutResource.has(ctx) && /(^| )(launch|(patient|user)\/)/.test(scope))
          throw new errors.InvalidRequest('aud is missing; expected the FHIR base URL');
      } else if (!audiences.includes(aud.replace(/\/$/, ''))) {
        throw new errors.InvalidRequest('aud is another server than this one');
      }
    },
    async launch(ctx: KoaContext, launch: string | undefined, client: OidcClient) {
      const wants = (ctx.oidc?.params?.scope ?? '').split(' ').includes('launch');
      if (launch === undefined) {
        if (wants) throw new errors.InvalidRequest('the scope launch needs the parameter launch');
        return;
      }
      const prepared = await launches.find(launch);
      if (prepared === undefined || (prepared.clientId !== undefined && prepared.clientId !== client.clientId))
        throw new errors.InvalidRequest('launch is not known, was used, or its time is over');
    },
  };
}
