/**
 * Tells of new blocks as a node announces them (`eth_subscribe newHeads` over WebSocket), so that nobody has to ask.
 *
 * Spec: https://geth.ethereum.org/docs/interacting-with-geth/rpc/pubsub. What is told is a hint alone: who is told asks over JSON-RPC. While no endpoint
 * can be subscribed to, `isLive` is false and the loops poll as they do without it.
 */
import { WebSocket } from 'ws';

export interface HeadFeedOptions {
  /** `ws:` or `wss:` endpoints of the chain; when one is lost the next is tried. */
  readonly urls: readonly string[];
  readonly onHead: () => void;
  /** Told when the feed comes to live, and when it ends. */
  readonly onChange?: (isLive: boolean, reason: string) => void;
  /** Bound on connecting and subscribing, and on the answer to a ping; default 5,000. */
  readonly timeoutMs?: number;
  /** Pause before the next endpoint is tried; default 1,000. */
  readonly retryMs?: number;
  /** How often a silent connection is asked whether it lives; default 10,000. */
  readonly pingMs?: number;
}

export class HeadFeed {
  private socket: WebSocket | undefined;
  private timer: NodeJS.Timeout | undefined;
  private next = 0;
  private live = false;
  private isClosed = false;

  constructor(private readonly options: HeadFeedOptions) {
    this.connect();
  }

  /** Blocks are told as they come. */
  get isLive(): boolean {
    return this.live;
  }

  close(): void {
    this.isClosed = true;
    clearTimeout(this.timer);
    this.socket?.terminate();
  }

  private connect(): void {
    const { urls, timeoutMs = 5_000, retryMs = 1_000 } = this.options;
    const url = urls[this.next % urls.length]!;
    this.next += 1;
    const socket = new WebSocket(url, { handshakeTimeout: timeoutMs, maxPayload: 1024 * 1024 });
    this.socket = socket;
    let reason = 'the connection ended';
    this.within(timeoutMs, 'no subscription in time', (text) => (reason = text));
    socket.on('open', () => socket.send(subscription));
    socket.on('error', (error) => (reason = error.message));
    socket.on('message', (data: Buffer) => {
      const word = wordOf(data.toString('utf8'));
      if (word === 'refused') {
        reason = 'the node refuses eth_subscribe';
        socket.terminate();
      } else if (word !== undefined) {
        this.heard(url, word, (text) => (reason = text));
      }
    });
    socket.on('pong', () => this.listen((text) => (reason = text)));
    socket.on('close', () => {
      clearTimeout(this.timer);
      if (this.live) this.options.onChange?.(false, `${url}: ${reason}`);
      this.live = false;
      if (!this.isClosed) this.timer = setTimeout(() => this.connect(), retryMs).unref();
    });
  }

  private heard(url: string, word: 'subscribed' | 'head', because: (reason: string) => void): void {
    if (!this.live) {
      this.live = true;
      this.options.onChange?.(true, `${url} tells of new blocks`);
    }
    this.listen(because);
    if (word === 'head') this.options.onHead();
  }

  /** A chain may be silent for long: then the connection itself is asked. */
  private listen(because: (reason: string) => void): void {
    const { timeoutMs = 5_000, pingMs = 10_000 } = this.options;
    clearTimeout(this.timer);
    this.timer = setTimeout(() => {
      this.socket?.ping();
      this.within(timeoutMs, 'no answer to a ping', because);
    }, pingMs).unref();
  }

  private within(ms: number, reason: string, because: (reason: string) => void): void {
    clearTimeout(this.timer);
    this.timer = setTimeout(() => {
      because(reason);
      this.socket?.terminate();
    }, ms).unref();
  }
}

const subscription = JSON.stringify({ jsonrpc: '2.0', id: 1, method: 'eth_subscribe', params: ['newHeads'] });

/** What a message of the node says; undefined for what is not about the subscription. */
function wordOf(text: string): 'subscribed' | 'refused' | 'head' | undefined {
  try {
    const message = JSON.parse(text) as { id?: number; result?: unknown; method?: string };
    if (message.method === 'eth_subscription') return 'head';
    if (message.id !== 1) return undefined;
    return typeof message.result === 'string' ? 'subscribed' : 'refused';
  } catch {
    return undefined;
  }
}
