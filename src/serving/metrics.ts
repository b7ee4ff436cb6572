/**
 * Counts and durations for Prometheus: no content, no ids of anybody; labels have few values.
 *
 * Spec: https://prometheus.io/docs/instrumenting/exposition_formats/
 */
import { collectDefaultMetrics, Counter, Gauge, Histogram, Registry } from 'prom-client';

/** What the server tells of itself when it is asked; numbers only. */
export interface Vitals {
  /** Newest entry of the log, its leaves, and how many of them are anchored. */
  readonly seq: number;
  readonly leaves: number;
  readonly anchoredLeaves: number;
  readonly commitQueue: number;
  readonly blocks: number;
  readonly blockBytes: number;
  readonly accessRecords: number;
  readonly rotationRunning: boolean;
}

const gauges: readonly (readonly [keyof Vitals, string, string])[] = [
  ['seq', 'mooring_log_entries', 'Entries of the commit log'],
  ['leaves', 'mooring_log_leaves', 'Leaves of the anchored log: versions and tombstones'],
  ['anchoredLeaves', 'mooring_anchored_leaves', 'Leaves that the newest head on the chain covers'],
  ['commitQueue', 'mooring_commit_queue', 'Writes that wait for their turn'],
  ['blocks', 'mooring_blocks', 'Sealed blocks held; on Kubo replicas and manifests too, as of the last five minutes'],
  ['blockBytes', 'mooring_block_bytes', 'Bytes of the block store, on all its nodes'],
  ['accessRecords', 'mooring_access_records', 'Records of the access log'],
  ['rotationRunning', 'mooring_rotation_running', '1 while keys are rotated'],
];

/** Seconds; from a read out of memory to a large transaction. */
const buckets = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 10];

export class Metrics {
  private readonly registry = new Registry();
  private readonly requests: Counter<'method' | 'shape' | 'status'>;
  private readonly seconds: Histogram<'method' | 'shape'>;
  private readonly refusals: Counter<'reason'>;
  private readonly inFlight: Gauge;
  private readonly up: Gauge<'name'>;
  private readonly values: ReadonlyMap<keyof Vitals, Gauge>;
  private hasDefaults = false;

  constructor() {
    const registers = [this.registry];
    this.requests = new Counter({
      name: 'mooring_requests_total',
      help: 'Requests answered, by method, shape of the URL and status',
      labelNames: ['method', 'shape', 'status'],
      registers,
    });
    this.seconds = new Histogram({
      name: 'mooring_request_seconds',
      help: 'Time to the end of the answer',
      labelNames: ['method', 'shape'],
      buckets,
      registers,
    });
    this.refusals = new Counter({
      name: 'mooring_throttled_total',
      help: 'Requests refused to protect the server: rate, requests or bytes under way',
      labelNames: ['reason'],
      registers,
    });
    this.inFlight = new Gauge({ name: 'mooring_requests_in_flight', help: 'Requests under way', registers });
    this.up = new Gauge({
      name: 'mooring_dependency_up',
      help: '1 when the dependency answers',
      labelNames: ['name'],
      registers,
    });
    this.values = new Map(gauges.map(([key, name, help]) => [key, new Gauge({ name, help, registers })]));
  }

  answered(method: string, shape: string, status: number, seconds: number): void {
    this.requests.inc({ method, shape, status: String(status) });
    this.seconds.observe({ method, shape }, seconds);
  }

  throttled(reason: 'rate' | 'requests' | 'bytes'): void {
    this.refusals.inc({ reason });
  }

  /** The text of an answer to a scrape. */
  async render(vitals: Vitals, inFlight: number, dependencies: ReadonlyMap<string, boolean>): Promise<string> {
    if (!this.hasDefaults) collectDefaultMetrics({ register: this.registry });
    this.hasDefaults = true;
    for (const [key, gauge] of this.values) gauge.set(Number(vitals[key]));
    this.inFlight.set(inFlight);
    for (const [name, isUp] of dependencies) this.up.set({ name }, isUp ? 1 : 0);
    return this.registry.metrics();
  }

  get contentType(): string {
    return this.registry.contentType;
  }
}

/** What kind of URL this is, in one of a few words: ids and search values are left out. */
export function shapeOf(url: string): string {
  const mark = url.indexOf('?');
  const path = (mark === -1 ? url : url.slice(0, mark)).split('/').filter((part) => part !== '');
  const [first, type = '', ...rest] = path;
  if (first !== 'fhir') return first === 'log' || first === 'oauth' || first === 'ipfs' ? first : 'other';
  const last = path.at(-1)!;
  if (last.startsWith('$')) return 'operation';
  if (path.length === 1) return 'base';
  if (type === 'metadata') return 'metadata';
  if (!/^[A-Z]/.test(type)) return type === '_history' || type === '_search' ? 'system' : 'other';
  if (rest.length === 0) return 'type';
  if (rest[0] === '_search' || rest[0] === '_history') return 'type';
  if (rest.length === 1) return 'instance';
  return rest[1] === '_history' ? 'history' : 'compartment';
}
