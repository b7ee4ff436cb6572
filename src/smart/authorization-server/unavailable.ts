/**
 * What apps and browsers are told while accounts, tokens or the access log cannot be reached: 503 `temporarily_unavailable`, try again.
 *
 * Spec: https://www.rfc-editor.org/rfc/rfc6749#section-4.1.2.1
 */
import type { KoaContext } from 'oidc-provider';

/** Errors of ports, by their names: adapters are not known here. */
const names = new Set([
  'SmartStoreUnavailable',
  'AccessLogUnavailable',
  'CatalogUnavailable',
  'BlockStoreUnavailable',
  'TemporarilyUnavailable',
]);

export const retryAfterSeconds = 5;

export function isUnavailable(error: unknown): boolean {
  return error instanceof Error && names.has(error.name);
}

/** In the shape that oidc-provider answers with as it is: its status, and its message as `error`. */
class TemporarilyUnavailable extends Error {
  override readonly name = 'TemporarilyUnavailable';
  readonly statusCode = 503;
  readonly expose = true;
  readonly error_description = 'the server cannot reach what it keeps; try again';
}

/** Runs what oidc-provider asks of the store. @throws TemporarilyUnavailable when the store cannot be reached. */
export async function asked<T>(work: () => T | Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (error) {
    throw isUnavailable(error) ? new TemporarilyUnavailable('temporarily_unavailable', { cause: error }) : error;
  }
}

/** Middleware of oidc-provider around everything else: what it does not catch itself, and when to try again. */
export async function tellUnavailable(context: KoaContext, next: () => Promise<void>): Promise<void> {
  try {
    await next();
  } catch (error) {
    if (!isUnavailable(error)) throw error;
    context.status = 503;
    context.body = { error: 'temporarily_unavailable' };
  }
  if (context.status === 503) context.set('Retry-After', String(retryAfterSeconds));
}
