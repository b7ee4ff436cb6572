/**
 * A proxy around each port of a server that numbers its durable steps and lets one of them fail.
 *
 * A step is a call that has to be durable (or sent) when it resolves. It is named by its port and method, small state by the family of its key too,
 * and by which one of that name it is since `arm` or `record`.
 */
import { ChainUnavailable } from '../../src/chain/chain.js';
import { AccessLogUnavailable } from '../../src/commit/access-log.js';
import { CatalogUnavailable, type Amendment } from '../../src/commit/catalog.js';
import { BlockStoreUnavailable } from '../../src/ipfs/block-store.js';
import { SmartStoreUnavailable } from '../../src/smart/store/smart-store.js';
import type { PortsBetween } from '../../src/wiring/ports.js';

/** `lost`: nothing happened. `reply lost`: it happened, and the caller does not know. */
export const ways = ['lost', 'reply lost'] as const;
export type Way = (typeof ways)[number];

export interface Fault {
  /** As `record` gave it, e.g. `catalog.append 1`. */
  readonly step: string;
  readonly way: Way;
  /** The process is gone from this step on: every later durable step fails too, until `revive`. */
  readonly isCrash?: boolean;
}

type Failure = (message: string) => Error;

export class FaultPlane {
  private seen = new Map<string, number>();
  private fault: Fault | undefined;
  private isDead = false;
  private hasStruck = false;
  private recorded: string[] | undefined;
  private inFlight = 0;
  private lastMs = 0;

  /** For createServer. */
  readonly between: PortsBetween = {
    blocks: (real) => this.around(real, 'blocks', ['put', 'delete'], (text) => new BlockStoreUnavailable(text)),
    catalog: (real) =>
      this.around(real, 'catalog', ['append', 'putState', 'amend', 'sweep'], (text) => new CatalogUnavailable(text)),
    accessLog: (real) => this.around(real, 'access log', ['append'], (text) => new AccessLogUnavailable(text)),
    keyRing: (real) => this.around(real, 'key ring', ['rotate', 'retire'], (text) => new Error(text)),
    chain: (real) => this.around(real, 'chain', ['send'], (text) => new ChainUnavailable(text)),
    smartStore: (real) =>
      this.around(real, 'smart', ['put', 'putNew', 'consume', 'remove', 'removeGroup'], (text) => {
        return new SmartStoreUnavailable(text);
      }),
  };

  /** Starts to write down steps. */
  record(): void {
    this.seen.clear();
    this.recorded = [];
  }

  /** The steps since `record`, in the order in which they began. */
  stopRecording(): string[] {
    const steps = this.recorded ?? [];
    this.recorded = undefined;
    return steps;
  }

  arm(fault: Fault): void {
    this.seen.clear();
    this.fault = fault;
    this.hasStruck = false;
  }

  get struck(): boolean {
    return this.hasStruck;
  }

  /** The next process: everything works again. */
  revive(): void {
    this.fault = undefined;
    this.isDead = false;
  }

  /** True when no durable step began or was under way for `ms`. */
  isQuiet(ms: number): boolean {
    return this.inFlight === 0 && performance.now() - this.lastMs >= ms;
  }

  /** `real`, whose durable `methods` are steps. For ports that are opened without a server, too. */
  around<T extends object>(real: T, port: string, methods: readonly (keyof T & string)[], failure: Failure): T {
    return new Proxy(real, {
      get: (target, key) => {
        const member = target[key as keyof T];
        if (typeof member !== 'function') return member;
        const bound = (member as (...args: unknown[]) => unknown).bind(target);
        if (!methods.includes(key as keyof T & string)) return bound;
        return (...args: unknown[]) => this.step(nameOf(port, String(key), args), failure, () => bound(...args));
      },
    });
  }

  private async step(name: string, failure: Failure, run: () => unknown): Promise<unknown> {
    const nth = (this.seen.get(name) ?? 0) + 1;
    this.seen.set(name, nth);
    const step = `${name} ${nth}`;
    this.recorded?.push(step);
    this.inFlight += 1;
    this.lastMs = performance.now();
    try {
      const { fault } = this;
      if (this.isDead) throw failure('planted: the process is gone');
      if (fault === undefined || this.hasStruck || fault.step !== step) return await run();
      this.hasStruck = true;
      this.isDead = fault.isCrash === true;
      if (fault.way === 'reply lost') await run();
      throw failure(`planted: ${fault.way}`);
    } finally {
      this.inFlight -= 1;
      this.lastMs = performance.now();
    }
  }
}

/** Of what the authorization server keeps the kind is told. Numbers and hexadecimal digits of keys differ from run to run: the family counts. */
function nameOf(port: string, method: string, args: readonly unknown[]): string {
  const name = `${port}.${method}`;
  if (port === 'smart' && method !== 'removeGroup') return `${name}(${String(args[0])})`;
  if (method === 'putState') return `${name}(${familyOf(String(args[0]))})`;
  const state = method === 'amend' ? (args[0] as Amendment).state : undefined;
  return state === undefined ? name : `${name}(${familyOf(state.key)})`;
}

function familyOf(key: string): string {
  return key
    .split('/')
    .filter((part) => /^[a-z][a-z-]*$/.test(part) && !/^[0-9a-f]{16,}$/.test(part))
    .join('/');
}
