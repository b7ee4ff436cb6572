/** Loads the authorization server when it is first asked for. */
import type { AuthorizationServer, AuthorizationServerParts } from './authorization-server.js';

/** @returns a function that gives the same server each time; a failed attempt is made again by the next call. */
export function lazyAuthorizationServer(parts: AuthorizationServerParts): () => Promise<AuthorizationServer> {
  let opened: Promise<AuthorizationServer> | undefined;
  return () => {
    opened ??= open(parts).catch((error: unknown) => {
      opened = undefined;
      throw error;
    });
    return opened;
  };
}

async function open(parts: AuthorizationServerParts): Promise<AuthorizationServer> {
  // Node 20 before 20.20 does not have it; oidc-provider counts on it.
  URL.parse ??= (text: string, base?: string) => (URL.canParse(text, base) ? new URL(text, base) : null);
  const { info, warn } = console;
  // oidc-provider tells on the console that it would rather run on Node 22.
  console.info = console.warn = () => undefined;
  try {
    const { openAuthorizationServer } = await import('./authorization-server.js');
    return await openAuthorizationServer(parts);
  } finally {
    Object.assign(console, { info, warn });
  }
}
