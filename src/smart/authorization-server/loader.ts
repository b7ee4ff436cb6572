/** Loads the authorization server when it is first asked for. */
import type { AuthorizationServer, AuthorizationServerParts } from './authorization-server.js';
import { quietly } from './notices.js';

/** @returns a function that gives the same server each time; a failed attempt is made again by the next call. */
export function lazyAuthorizationServer(parts: AuthorizationServerParts): () => Promise<AuthorizationServer> {
  let opened: Promise<AuthorizationServer> | undefined;
  return () => {
    opened ??= quietly(() => open(parts)).catch((error: unknown) => {
      opened = undefined;
      throw error;
    });
    return opened;
  };
}

async function open(parts: AuthorizationServerParts): Promise<AuthorizationServer> {
  // Early versions of Node 20 do not have it; oidc-provider counts on it.
  URL.parse ??= (text: string, base?: string) => (URL.canParse(text, base) ? new URL(text, base) : null);
  const { openAuthorizationServer } = await import('./authorization-server.js');
  return openAuthorizationServer(parts);
}
