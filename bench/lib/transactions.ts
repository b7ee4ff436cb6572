/** Loads Synthea's patients as transactions, again and again, until there is enough. */
import { readdirSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { systemClock } from '../../src/base/clock.js';
import { TokenIssuer } from '../../src/smart/token-issuer.js';
import { load, type LoadRequest } from './load.js';
import type { ServerProcess } from './process.js';

const connections = 8;
const folder = fileURLToPath(new URL('../../../../shared/corpus/synthea/', import.meta.url));

export interface LoadedTransactions {
  readonly resources: number;
  readonly perSecond: number;
  /** Milliseconds of the server's processor time for each resource. */
  readonly processorMs: number;
}

/** At least `wanted` resources into a fresh server. @throws Error when a request fails. */
export async function loadTransactions(
  server: ServerProcess,
  dataDir: string,
  wanted: number,
): Promise<LoadedTransactions> {
  const bundles = readdirSync(folder)
    .sort()
    .map((file) => readFileSync(path.join(folder, file), 'utf8'));
  const sizes = bundles.map((text) => (JSON.parse(text) as { entry: unknown[] }).entry.length);
  const issuer = await TokenIssuer.open(path.join(dataDir, 'keys'));
  const claims = { actor: 'Organization/self', scope: 'system/*.cruds', purpose: 'TREAT', expiresInSeconds: 86_400 };
  const token = await issuer.issue(claims, systemClock);
  const send = async (next: () => LoadRequest | undefined) => {
    const result = await load(server.origin, token, connections, next);
    if (result.failures > 0) throw new Error(`${result.failures} requests failed: ${result.firstFailure}`);
    return result;
  };
  // Hospitals and practitioners, to which the patients refer; the first patient, to be warm.
  for (const body of bundles.slice(0, 3)) {
    const once = [{ method: 'POST', path: '/fhir', body } as const];
    await send(() => once.shift());
  }
  let resources = 0;
  let turn = 0;
  const before = server.processorMs().all;
  const { seconds } = await send(() => {
    if (resources >= wanted) return undefined;
    const index = 2 + (turn % (bundles.length - 2));
    turn += 1;
    resources += sizes[index];
    return { method: 'POST', path: '/fhir', body: bundles[index] };
  });
  const processorMs = (server.processorMs().all - before) / resources;
  return { resources, perSecond: resources / seconds, processorMs };
}
