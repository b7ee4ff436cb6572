/**
 * In front of every door: limits, metrics, health, and the way out when the server stops.
 *
 * Answers `/health/live`, `/health/ready` and `/metrics` itself; everything else goes on to `serve`.
 */
import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Health } from './health.js';
import type { Limits } from './limits.js';
import { shapeOf, type Metrics, type Vitals } from './metrics.js';

export type Serve = (request: IncomingMessage, response: ServerResponse) => unknown;

export interface FrontParts {
  readonly limits: Limits;
  readonly metrics: Metrics;
  readonly health: Health;
  vitals(): Promise<Vitals>;
  /** Is this the token of an operator? Undefined: there is none, or none that is valid. */
  isOperator(request: IncomingMessage): Promise<boolean | undefined>;
  readonly serve: Serve;
  /** Told of each answer that has left, or was cut off. `requestId` is absent where no door was reached. */
  readonly onAnswered?: (answer: Answered) => void;
}

export interface Answered {
  readonly requestId: string | undefined;
  readonly method: string;
  /** See metrics.ts: no ids, no search values. */
  readonly shape: string;
  readonly status: number;
  readonly durationMs: number;
}

export class Front {
  constructor(private readonly parts: FrontParts) {}

  readonly handle: Serve = (request, response) => {
    const { url = '' } = request;
    if (url.startsWith('/health/')) return this.health(url, response);
    if (url === '/metrics') return this.guardedMetrics(request, response);
    return this.pass(request, response);
  };

  /** For a port of the operator's own: no token is asked for. */
  readonly handleOperator: Serve = (request, response) => {
    const { url = '' } = request;
    if (url.startsWith('/health/')) return this.health(url, response);
    if (url === '/metrics') return this.metrics(response);
    return send(response, 404, outcome('not-found', 'Only /metrics and /health are offered here.'));
  };

  private pass(request: IncomingMessage, response: ServerResponse): unknown {
    const { limits, metrics, health, serve } = this.parts;
    const { method = 'GET', url = '' } = request;
    const startedAt = performance.now();
    if (health.draining) response.setHeader('Connection', 'close');
    const admission = limits.admit(request);
    if (admission.kind === 'refused') {
      metrics.throttled(admission.reason);
      request.resume();
      return refuse(response, admission.reason, admission.retryAfterSeconds);
    }
    const shape = shapeOf(url);
    response.once('close', () => {
      admission.release();
      const durationMs = performance.now() - startedAt;
      const { statusCode: status } = response;
      metrics.answered(method, shape, status, durationMs / 1000);
      const requestId = response.getHeader('x-request-id') as string | undefined;
      this.parts.onAnswered?.({ requestId, method, shape, status, durationMs });
    });
    return serve(request, response);
  }

  private async health(url: string, response: ServerResponse): Promise<void> {
    if (url === '/health/live') return send(response, 200, { status: 'live' });
    if (url !== '/health/ready')
      return send(response, 404, outcome('not-found', 'Expected /health/live or /health/ready.'));
    const { health } = this.parts;
    const { isReady, dependencies } = await health.ready();
    const away = [...dependencies].filter(([, isUp]) => !isUp).map(([name]) => name);
    const status = isReady ? 'ready' : health.draining ? 'stopping' : 'not ready';
    const body = {
      status,
      ...(away.length === 0 ? {} : { away }),
      dependencies: Object.fromEntries([...dependencies].map(([name, isUp]) => [name, isUp ? 'up' : 'away'])),
    };
    return send(response, isReady ? 200 : 503, body, isReady ? {} : { 'Retry-After': '2' });
  }

  private async guardedMetrics(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const isOperator = await this.parts.isOperator(request);
    if (isOperator === undefined) {
      const text = 'Metrics are for operators: a token is needed.';
      return send(response, 401, outcome('login', text), { 'WWW-Authenticate': 'Bearer' });
    }
    if (!isOperator) return send(response, 403, outcome('forbidden', 'Metrics are for operators.'));
    return this.metrics(response);
  }

  private async metrics(response: ServerResponse): Promise<void> {
    const { metrics, health, limits, vitals } = this.parts;
    try {
      const { dependencies } = await health.ready();
      const text = await metrics.render(await vitals(), limits.inFlight, dependencies);
      response.writeHead(200, { 'Content-Type': metrics.contentType }).end(text);
    } catch {
      send(response, 503, outcome('transient', 'The numbers cannot be read now.'), { 'Retry-After': '5' });
    }
  }
}

function refuse(response: ServerResponse, reason: 'rate' | 'requests' | 'bytes', retryAfterSeconds: number): void {
  const headers = { 'Retry-After': String(retryAfterSeconds) };
  if (reason === 'rate') {
    const text = `Too many requests from this client; try again in ${retryAfterSeconds} s.`;
    return send(response, 429, outcome('throttled', text), headers);
  }
  const text = 'The server has as much work as it takes at once; try again.';
  return send(response, 503, outcome('transient', text), headers);
}

function outcome(code: string, diagnostics: string): object {
  return { resourceType: 'OperationOutcome', issue: [{ severity: 'error', code, diagnostics }] };
}

function send(response: ServerResponse, status: number, body: object, headers: Record<string, string> = {}): void {
  const type = 'resourceType' in body ? 'application/fhir+json' : 'application/json';
  response.writeHead(status, { 'Content-Type': type, 'Cache-Control': 'no-store', ...headers });
  response.end(JSON.stringify(body));
}
