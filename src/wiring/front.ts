/** Puts limits, metrics and health in front of the doors. */
import { createServer } from 'node:http';
import { setTimeout as after } from 'node:timers/promises';
import type { Log } from '../base/log.js';
import type { Config } from '../config.js';
import { Front, type Answered, type Serve } from '../serving/front.js';
import { Health } from '../serving/health.js';
import { Limits } from '../serving/limits.js';
import { Metrics } from '../serving/metrics.js';
import type { Door } from './door.js';
import type { Network } from './network.js';
import type { Storage } from './storage.js';

export interface OpenedFront {
  readonly handle: Serve;
  /** Says that it is not ready, and goes on answering for DRAIN_MS. */
  drain(): Promise<void>;
  close(): Promise<void>;
}

export interface OpenedParts {
  readonly config: Config;
  readonly log: Log;
  readonly door: Door;
  readonly storage: Storage;
  readonly network: Network;
}

/** A body without a length counts as this part of the largest one. */
const unknownShare = 8;

export function openFront({ config, log, door, storage, network }: OpenedParts): OpenedFront {
  const { ratePerSecond, maxRequests, maxBodiesBytes, metricsPort, drainMs } = config.serving;
  const unknownBytes = Math.ceil(config.fhir.maxBodyBytes / unknownShare);
  const health = new Health([
    { name: 'catalog', check: async () => storage.catalog.getState('health') },
    { name: 'blocks', check: () => storage.blocks.ping() },
    { name: 'chain', check: () => network.publisherChain.head() },
  ]);
  const front = new Front({
    limits: new Limits({ ratePerSecond, maxRequests, maxBytes: maxBodiesBytes, unknownBytes }),
    metrics: new Metrics(),
    health,
    vitals: () => door.vitals(),
    isOperator: (request) => door.isOperator(request),
    serve: (request, response) => door.serve(request, response),
    ...(config.logLevel === 'requests' && { onAnswered: (answer) => logAnswer(log, answer) }),
  });
  const operator =
    metricsPort === undefined
      ? undefined
      : createServer((request, response) => void front.handleOperator(request, response));
  operator?.listen(metricsPort, '127.0.0.1');
  return {
    handle: front.handle,
    async drain() {
      health.drain();
      if (drainMs > 0) await after(drainMs);
    },
    async close() {
      if (operator === undefined) return;
      operator.closeAllConnections();
      await new Promise((resolve) => operator.close(resolve));
    },
  };
}

function logAnswer(log: Log, { requestId = '', method, shape, status, durationMs }: Answered): void {
  log.write({ event: 'request', requestId, method, shape, status, durationMs: Math.round(durationMs * 10) / 10 });
}
