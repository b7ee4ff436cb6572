/**
 * `Prefer: respond-async`: the answer is fetched later from a status URL.
 *
 * The pattern of R5, for searches, histories and batches. Spec: https://hl7.org/fhir/R5/async-bundle.html. Answers are kept in memory only, for the
 * principal who asked, and for a bounded time.
 */
import { randomUUID } from 'node:crypto';
import { fhirError } from '../../base/outcome.js';
import { responseEntry } from '../bundle/response-entry.js';
import { renderError } from '../outcome.js';
import type { Context, FhirRequest, FhirResponse } from '../request.js';
import type { FhirServices } from '../services.js';

/** First segment of status URLs. */
export const asyncFolder = '_async';

/** The kind of request that may be answered later; undefined: it is answered at once whatever is preferred. */
export function asyncInteraction({ method, path, body }: FhirRequest): 'search' | 'batch' | undefined {
  if (method === 'POST' && path.length === 0) {
    return (body as { type?: unknown } | undefined)?.type === 'batch' ? 'batch' : undefined;
  }
  const last = path.at(-1) ?? '';
  const isSearch = last === '_search' || last === '_history' || last.startsWith('$') || path.length === 1;
  return isSearch && (method === 'GET' || last === '_search') ? 'search' : undefined;
}

interface Job {
  readonly owner: string;
  readonly baseUrl: string;
  /** Milliseconds since 1970. */
  readonly expires: number;
  answer?: FhirResponse;
}

const mostJobs = 200;
const keptMs = 3_600_000;

export class AsyncJobs {
  private readonly jobs = new Map<string, Job>();

  constructor(private readonly services: Pick<FhirServices, 'clock' | 'reportDefect'>) {}

  /** @throws FhirError 429 when too many answers are waiting to be fetched. */
  start({ principal, requestId, baseUrl }: Context, run: () => Promise<FhirResponse>): Promise<FhirResponse> {
    this.dropExpired();
    if (this.jobs.size >= mostJobs) {
      return Promise.reject(fhirError(429, 'throttled', 'Too many asynchronous answers wait to be fetched.'));
    }
    const id = randomUUID();
    const job: Job = { owner: ownerOf(principal), baseUrl, expires: this.services.clock.now() + keptMs };
    this.jobs.set(id, job);
    void run()
      .catch((error: unknown): FhirResponse => {
        const { status, outcome, isDefect } = renderError(error, requestId);
        if (isDefect) this.services.reportDefect(requestId, error);
        return { status, resource: outcome };
      })
      .then((answer) => {
        job.answer = answer;
      });
    return Promise.resolve({ status: 202, headers: { 'Content-Location': `${baseUrl}/${asyncFolder}/${id}` } });
  }

  /** Status or end of a job. @throws FhirError 404 for a job that is not known, or of somebody else. */
  answer({ method, path }: FhirRequest, { principal }: Context): Promise<FhirResponse> {
    this.dropExpired();
    const job = this.jobs.get(path[1] ?? '');
    if (path.length !== 2 || job === undefined || job.owner !== ownerOf(principal)) {
      throw fhirError(404, 'not-found', 'This asynchronous answer is not known, or its time is over.');
    }
    if (method === 'DELETE') {
      this.jobs.delete(path[1]);
      return Promise.resolve({ status: 202 });
    }
    if (method !== 'GET' && method !== 'HEAD') throw fhirError(405, 'not-supported', `${method} is not offered here.`);
    const { answer, baseUrl } = job;
    if (answer === undefined) {
      return Promise.resolve({ status: 202, headers: { 'X-Progress': 'in progress', 'Retry-After': '1' } });
    }
    const entry = [responseEntry(answer, baseUrl, true)];
    return Promise.resolve({ status: 200, resource: { resourceType: 'Bundle', type: 'batch-response', entry } });
  }

  private dropExpired(): void {
    const now = this.services.clock.now();
    for (const [id, { expires }] of this.jobs) if (expires <= now) this.jobs.delete(id);
  }
}

function ownerOf({ actor, client, tokenId }: Context['principal']): string {
  return JSON.stringify([actor, client ?? tokenId ?? '']);
}
