/** The part of oidc-provider 9 that this server uses: the package comes without types. */
declare module 'oidc-provider' {
  import type { IncomingMessage, ServerResponse } from 'node:http';

  export interface OidcClient {
    readonly clientId: string;
    readonly clientName?: string;
    readonly clientUri?: string;
    readonly policyUri?: string;
    readonly tosUri?: string;
    readonly clientAuthMethod: string;
    readonly redirectUris: readonly string[];
    grantTypeAllowed(grantType: string): boolean;
    metadata(): Record<string, unknown>;
    readonly [name: string]: unknown;
  }

  export interface OidcToken {
    readonly kind: string;
    readonly clientId: string;
    readonly client?: OidcClient;
    readonly accountId?: string;
    readonly grantId?: string;
    readonly scope?: string;
    readonly scopes: ReadonlySet<string>;
    readonly extra?: Record<string, unknown>;
    readonly exp?: number;
  }

  export interface OidcContext {
    readonly route?: string;
    readonly client?: OidcClient;
    readonly params?: Record<string, string | undefined>;
    readonly result?: Record<string, { readonly grantId?: string } | undefined>;
    readonly entities: Record<string, OidcToken | undefined>;
    readonly session?: { readonly accountId?: string };
  }

  export interface KoaContext {
    status: number;
    type: string;
    body: unknown;
    readonly req: IncomingMessage;
    readonly oidc?: OidcContext;
    set(name: string, value: string): void;
  }

  export interface OidcInteraction {
    readonly uid: string;
    readonly prompt: { readonly name: string; readonly details: Record<string, unknown> };
    readonly params: Record<string, string | undefined>;
    readonly session?: { readonly accountId: string };
  }

  export interface OidcGrant {
    readonly jti?: string;
    addOIDCScope(scope: string): void;
    addOIDCClaims(claims: readonly string[]): void;
    addResourceScope(resource: string, scope: string): void;
    rejectOIDCScope(scope: string): void;
    rejectResourceScope(resource: string, scope: string): void;
    save(): Promise<string>;
  }

  export class Provider {
    constructor(issuer: string, configuration: object);
    proxy: boolean;
    readonly Client: { find(id: string): Promise<OidcClient | undefined> };
    readonly Grant: {
      new (facts: { accountId: string; clientId: string }): OidcGrant;
      find(id: string): Promise<OidcGrant | undefined>;
    };
    use(middleware: (context: KoaContext, next: () => Promise<void>) => Promise<void>): this;
    on(event: string, listener: (...facts: unknown[]) => void): this;
    callback(): (request: IncomingMessage, response: ServerResponse) => Promise<void>;
    interactionDetails(request: IncomingMessage, response: ServerResponse): Promise<OidcInteraction>;
    interactionFinished(
      request: IncomingMessage,
      response: ServerResponse,
      result: object,
      options?: { mergeWithLastSubmission?: boolean },
    ): Promise<void>;
  }

  export const errors: Record<
    | 'InvalidClientAuth'
    | 'InvalidTarget'
    | 'InvalidScope'
    | 'InvalidRequest'
    | 'InvalidClientMetadata'
    | 'AccessDenied',
    new (description: string) => Error
  >;

  export default Provider;
}
