/** Requests that came without a valid token: recorded before their 401 leaves. */
import { FhirError } from '../../base/outcome.js';
import type { FhirServices } from '../services.js';

interface RefusedRequest {
  readonly address: string;
  readonly requestId: string;
  /** Segments below the base URL. */
  readonly path: readonly string[];
}

/** @param error why the sender was refused; what is no 401 is not recorded here. */
export async function recordRefused(
  { securityLog }: Pick<FhirServices, 'securityLog'>,
  error: unknown,
  { address, requestId, path: [type = '', id = ''] }: RefusedRequest,
): Promise<void> {
  if (!(error instanceof FhirError) || error.status !== 401) return;
  const isInstance = /^[A-Z][A-Za-z]{1,63}$/.test(type) && /^[A-Za-z0-9\-.]{1,64}$/.test(id);
  await securityLog?.record({
    kind: 'refused',
    outcome: 'deny',
    address,
    requestId,
    entities: isInstance ? [`${type}/${id}`] : [],
    cause: error.issues[0]?.diagnostics ?? 'no valid token',
  });
}
