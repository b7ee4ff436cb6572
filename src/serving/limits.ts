/**
 * What one client may ask for, and all of them together: a bound in front of everything, so that load beyond it is refused instead of piling up.
 *
 * Per client a token bucket: so many requests a second, and as many at once. Over all: requests under way, and bytes of their bodies.
 */
import { createHash } from 'node:crypto';
import type { IncomingMessage } from 'node:http';

export interface LimitOptions {
  /** Requests a second of one client; 0: no bound. */
  readonly ratePerSecond: number;
  readonly maxRequests: number;
  /** Bytes of bodies under way. */
  readonly maxBytes: number;
  /** What a body without Content-Length counts as. */
  readonly unknownBytes: number;
}

export type Admission =
  | { readonly kind: 'admitted'; readonly release: () => void }
  | { readonly kind: 'refused'; readonly reason: 'rate' | 'requests' | 'bytes'; readonly retryAfterSeconds: number };

interface Bucket {
  tokens: number;
  /** Milliseconds, of the monotonic clock. */
  at: number;
}

/** Clients remembered; a full bucket is as good as none. */
const mostClients = 20_000;

export class Limits {
  private readonly buckets = new Map<string, Bucket>();
  private requests = 0;
  private bytes = 0;

  /** @param now milliseconds of a clock that never goes back. */
  constructor(
    private readonly options: LimitOptions,
    private readonly now: () => number = () => performance.now(),
  ) {}

  get inFlight(): number {
    return this.requests;
  }

  admit(request: IncomingMessage): Admission {
    const { maxRequests, maxBytes, ratePerSecond } = this.options;
    if (this.requests >= maxRequests) return { kind: 'refused', reason: 'requests', retryAfterSeconds: 1 };
    const size = this.sizeOf(request);
    // A single large body is let in when nothing else is under way: its own limit is MAX_BODY_MB.
    if (size > 0 && this.bytes > 0 && this.bytes + size > maxBytes) {
      return { kind: 'refused', reason: 'bytes', retryAfterSeconds: 1 };
    }
    if (ratePerSecond > 0) {
      const wait = this.take(clientOf(request));
      if (wait > 0) return { kind: 'refused', reason: 'rate', retryAfterSeconds: Math.ceil(wait) };
    }
    this.requests += 1;
    this.bytes += size;
    let isReleased = false;
    const release = () => {
      if (isReleased) return;
      isReleased = true;
      this.requests -= 1;
      this.bytes -= size;
    };
    return { kind: 'admitted', release };
  }

  /** @returns seconds to wait; 0 when the request may pass. */
  private take(client: string): number {
    const { ratePerSecond } = this.options;
    const now = this.now();
    const bucket = this.buckets.get(client) ?? { tokens: ratePerSecond, at: now };
    bucket.tokens = Math.min(ratePerSecond, bucket.tokens + ((now - bucket.at) / 1000) * ratePerSecond);
    bucket.at = now;
    this.buckets.delete(client);
    this.buckets.set(client, bucket);
    if (this.buckets.size > mostClients) this.buckets.delete(this.buckets.keys().next().value!);
    if (bucket.tokens < 1) return (1 - bucket.tokens) / ratePerSecond;
    bucket.tokens -= 1;
    return 0;
  }

  private sizeOf({ headers, method }: IncomingMessage): number {
    if (method === 'GET' || method === 'HEAD') return 0;
    const length = Number(headers['content-length']);
    if (Number.isFinite(length)) return length;
    return headers['transfer-encoding'] === undefined ? 0 : this.options.unknownBytes;
  }
}

/** Who asks: the token, else the address. Tokens are remembered as digests alone. */
function clientOf({ headers, socket }: IncomingMessage): string {
  const { authorization } = headers;
  if (authorization === undefined) return `address ${socket.remoteAddress ?? ''}`;
  return createHash('sha256').update(authorization).digest('base64');
}
