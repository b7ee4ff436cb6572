/** Bounded load from N connections on 127.0.0.1: each sends its next request when the last answer has arrived. */
import { Pool } from 'undici';

export interface LoadRequest {
  readonly method: 'GET' | 'POST' | 'PUT' | 'DELETE';
  /** Path with query. */
  readonly path: string;
  readonly body?: string;
}

export interface LoadResult {
  readonly requests: number;
  readonly seconds: number;
  readonly perSecond: number;
  /** Milliseconds. */
  readonly p50: number;
  readonly p99: number;
  /** Answers whose status was not 2xx: status and the start of the first one's body. */
  readonly failures: number;
  readonly firstFailure?: string;
}

/**
 * @param next the next request, or undefined when it is enough; called once per request.
 * @param seen gets the body of each answer; leave it out where bodies do not matter.
 */
export async function load(
  origin: string,
  token: string | undefined,
  connections: number,
  next: () => LoadRequest | undefined,
  seen?: (body: string) => void,
): Promise<LoadResult> {
  const pool = new Pool(origin, { connections, pipelining: 1, headersTimeout: 600_000, bodyTimeout: 600_000 });
  const headers: Record<string, string> = {
    accept: 'application/fhir+json',
    'content-type': 'application/fhir+json',
    ...(token === undefined ? {} : { authorization: `Bearer ${token}` }),
  };
  const times: number[] = [];
  let failures = 0;
  let firstFailure: string | undefined;
  const startedAt = performance.now();
  const worker = async () => {
    for (let request = next(); request !== undefined; request = next()) {
      const sentAt = performance.now();
      const { method, path, body } = request;
      const answer = await pool.request({ method, path, body, headers });
      const text =
        seen === undefined && answer.statusCode < 300 ? await answer.body.arrayBuffer() : await answer.body.text();
      times.push(performance.now() - sentAt);
      if (answer.statusCode >= 300) {
        failures += 1;
        firstFailure ??= `${method} ${path}: ${answer.statusCode} ${String(text).slice(0, 300)}`;
      } else if (seen !== undefined) {
        seen(text as string);
      }
    }
  };
  await Promise.all(Array.from({ length: connections }, worker));
  const seconds = (performance.now() - startedAt) / 1000;
  await pool.close();
  times.sort((a, b) => a - b);
  const at = (share: number) => times[Math.min(times.length - 1, Math.floor(times.length * share))] ?? 0;
  return {
    requests: times.length,
    seconds,
    perSecond: times.length / seconds,
    p50: at(0.5),
    p99: at(0.99),
    failures,
    firstFailure,
  };
}

/** Gives `request(i)` for i = 0, 1, ... until `seconds` have passed. */
export function during(seconds: number, request: (index: number) => LoadRequest): () => LoadRequest | undefined {
  let index = 0;
  let endsAt: number | undefined;
  return () => {
    endsAt ??= performance.now() + seconds * 1000;
    if (performance.now() >= endsAt) return undefined;
    index += 1;
    return request(index - 1);
  };
}
