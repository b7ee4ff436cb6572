/**
 * Everything that is ever logged: one JSON line an event, on standard error. Ids, counts, durations and hashes; never content, never a secret.
 */

export type LogEvent =
  | { readonly event: 'started'; readonly url: string; readonly startMs: number; readonly versions: number }
  | { readonly event: 'stopping'; readonly signal: string }
  | { readonly event: 'stopped' }
  | {
      readonly event: 'request';
      readonly requestId: string;
      readonly method: string;
      /** What kind of URL it was (serving/metrics.ts), not the URL: URLs hold search values. */
      readonly shape: string;
      readonly status: number;
      readonly durationMs: number;
    }
  | {
      readonly event: 'anchored';
      readonly chainId: number;
      readonly batch: number;
      readonly size: number;
      readonly txHash: string;
      readonly gasUsed: number;
    }
  /** A leaf is anchored without being attested, because validators refuse it. */
  | { readonly event: 'refused'; readonly chainId: number; readonly leaf: number; readonly reasons: readonly string[] }
  | {
      readonly event: 'package-loaded';
      readonly name: string;
      readonly version: string;
      readonly resources: number;
      readonly unresolved: readonly string[];
    }
  /** A dependency is away (`isAway`) or back. */
  | {
      readonly event: 'dependency';
      readonly name: 'chain' | 'chain-heads' | 'blocks' | 'catalog' | 'access-log';
      readonly isAway: boolean;
      readonly reason: string;
    }
  /** A defect of ours. The message of the error is left out, since it may quote content; its kind and where it arose are not. */
  | { readonly event: 'defect'; readonly requestId: string; readonly error: unknown };

export interface Log {
  write(event: LogEvent): void;
}

const errorEvents: ReadonlySet<LogEvent['event']> = new Set(['defect', 'dependency']);

/** How much is logged: nothing; defects and dependencies; what happens; each request too. */
export const logLevels = ['silent', 'error', 'info', 'requests'] as const;
export type LogLevel = (typeof logLevels)[number];

export function createLog(level: LogLevel, print: (line: string) => void): Log {
  return {
    write(event) {
      if (level === 'silent' || (level === 'error' && !errorEvents.has(event.event))) return;
      if (level === 'info' && event.event === 'request') return;
      const fields = event.event === 'defect' ? { ...event, error: describeDefect(event.error) } : event;
      print(JSON.stringify({ time: new Date().toISOString(), ...fields }));
    },
  };
}

function describeDefect(error: unknown): { kind: string; code?: string; at: string[]; cause?: object } {
  if (!(error instanceof Error)) return { kind: typeof error, at: [] };
  const frames = (error.stack ?? '').split('\n').filter((line) => /^\s+at /.test(line));
  return {
    kind: error.name,
    ...('code' in error && typeof error.code === 'string' ? { code: error.code } : {}),
    at: frames.slice(0, 12).map((line) => line.trim()),
    ...(error.cause === undefined ? {} : { cause: describeDefect(error.cause) }),
  };
}
