/** Bounds in front of every door. */
import type { EnvReader } from './env-reader.js';

/** How much is taken from one client and from all, and how a server stops. */
export interface ServingConfig {
  /** Requests a second of one client, and as many at once; 0: no bound. */
  readonly ratePerSecond: number;
  /** Requests under way. */
  readonly maxRequests: number;
  /** Bytes of bodies under way. */
  readonly maxBodiesBytes: number;
  /** Port of the operator's own for /metrics and /health, on 127.0.0.1; absent: none. */
  readonly metricsPort?: number;
  /** How long a stopping server goes on answering while it tells load balancers that it is not ready. */
  readonly drainMs: number;
}

/** RATE_LIMIT, MAX_REQUESTS, MAX_BODIES_MB, METRICS_PORT, DRAIN_MS. */
export function servingConfig(read: EnvReader): ServingConfig {
  return {
    ratePerSecond: read.integer('RATE_LIMIT', 0, 0, 1_000_000),
    maxRequests: read.integer('MAX_REQUESTS', 1_024, 1, 100_000),
    maxBodiesBytes: read.integer('MAX_BODIES_MB', 256, 1, 65_536) * 1024 * 1024,
    metricsPort: read.optionalInteger('METRICS_PORT', 0, 65_535),
    drainMs: read.integer('DRAIN_MS', 0, 0, 600_000),
  };
}
