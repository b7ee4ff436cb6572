/** A real server on embedded defaults for the tests below this folder: they speak HTTP with it and nothing else. */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { systemClock } from '../../src/base/clock.js';
import { createLog, type Log } from '../../src/base/log.js';
import { readConfig, type Config } from '../../src/config.js';
import { createServer, type Server } from '../../src/server.js';
import type { PortsBetween } from '../../src/wiring/ports.js';

/** What comes back, with its body read. */
export interface Answer {
  readonly status: number;
  readonly headers: Headers;
  readonly text: string;
  /** The parsed body; undefined when there is none. */
  // eslint-disable-next-line @typescript-eslint/no-explicit-any
  readonly body: any;
}

export interface RequestOptions {
  readonly body?: unknown;
  readonly headers?: Record<string, string>;
  /** Another token than the one of the server's own organisation; empty: none. */
  readonly token?: string;
}

/** Environment variables that make a small, quick server on a folder. */
export function testConfig(dataDir: string, env: NodeJS.ProcessEnv = {}): Config {
  return readConfig({ DATA_DIR: dataDir, PORT: '0', DEFAULT_CONSENT: 'permit', ...engines(dataDir), ...env });
}

/** With E2E_MONGODB_URL and E2E_KUBO_URLS (test/engines/e2e.test.ts) the same tests run on those engines, each server in a database of its own. */
function engines(dataDir: string): NodeJS.ProcessEnv {
  const { E2E_MONGODB_URL, E2E_KUBO_URLS } = process.env;
  return {
    ...(E2E_MONGODB_URL ? { MONGODB_URL: E2E_MONGODB_URL, MONGODB_DATABASE: path.basename(dataDir) } : {}),
    ...(E2E_KUBO_URLS ? { KUBO_URLS: E2E_KUBO_URLS } : {}),
  };
}

function logInto(lines: string[], { logLevel }: Config): Log {
  return createLog(logLevel, (line) => void lines.push(line));
}

export class TestServer {
  private constructor(
    readonly folder: string,
    private env: NodeJS.ProcessEnv,
    private server: Server,
    private token: string,
    /** Everything that the server wrote into its log. */
    readonly logLines: string[],
    private readonly between: PortsBetween = {},
  ) {}

  /** Starts a server on a temporary folder. @param between the server and its ports. */
  static async start(env: NodeJS.ProcessEnv = {}, between: PortsBetween = {}): Promise<TestServer> {
    const folder = await mkdtemp(path.join(tmpdir(), 'mooring-e2e-'));
    const lines: string[] = [];
    const config = testConfig(folder, env);
    const server = await createServer(config, logInto(lines, config), systemClock, between);
    return new TestServer(folder, env, server, await server.token(), lines, between);
  }

  /** JSON-RPC endpoint of the embedded chain. */
  get chainUrl(): string {
    return this.server.chainUrl;
  }

  get baseUrl(): string {
    return this.server.baseUrl;
  }

  /** A token with other claims than the default `system/*.cruds` of the server's organisation. */
  tokenFor(claims: NonNullable<Parameters<Server['token']>[0]>): Promise<string> {
    return this.server.token(claims);
  }

  /** Stops the server and starts it again on the same folder (and another port). */
  async restart(): Promise<void> {
    await this.halt();
    await this.resume();
  }

  /** Stops the server, so that a test may look at its folder. */
  halt(): Promise<void> {
    return this.server.close();
  }

  /** Starts it again after `halt`. */
  async resume(): Promise<void> {
    const config = testConfig(this.folder, this.env);
    this.server = await createServer(config, logInto(this.logLines, config), systemClock, this.between);
    this.token = await this.server.token();
  }

  /** The same with other environment variables. */
  async restartWith(env: NodeJS.ProcessEnv): Promise<void> {
    this.env = { ...this.env, ...env };
    await this.restart();
  }

  async stop(): Promise<void> {
    await this.server.close();
    await rm(this.folder, { recursive: true, force: true });
  }

  /** @param url below the FHIR base, or absolute. */
  async send(method: string, url: string, { body, headers, token }: RequestOptions = {}): Promise<Answer> {
    const bearer = token ?? this.token;
    const isText = typeof body === 'string' || body instanceof Uint8Array;
    const response = await fetch(url.startsWith('http') ? url : `${this.baseUrl}/${url}`, {
      method,
      headers: {
        ...(bearer === '' ? {} : { Authorization: `Bearer ${bearer}` }),
        ...(body === undefined ? {} : { 'Content-Type': 'application/fhir+json' }),
        ...headers,
      },
      ...(body === undefined ? {} : { body: (isText ? body : JSON.stringify(body)) as RequestInit['body'] }),
    });
    const text = await response.text();
    const isJson = (response.headers.get('content-type') ?? '').includes('json');
    return {
      status: response.status,
      headers: response.headers,
      text,
      body: text !== '' && isJson ? (JSON.parse(text) as unknown) : undefined,
    };
  }

  get(url: string, options?: RequestOptions): Promise<Answer> {
    return this.send('GET', url, options);
  }

  post(url: string, body: unknown, options?: RequestOptions): Promise<Answer> {
    return this.send('POST', url, { ...options, body });
  }

  put(url: string, body: unknown, options?: RequestOptions): Promise<Answer> {
    return this.send('PUT', url, { ...options, body });
  }

  delete(url: string, options?: RequestOptions): Promise<Answer> {
    return this.send('DELETE', url, options);
  }
}

/** The first issue of an OperationOutcome: what tests compare beside the status. */
export function firstIssue({ body }: Answer): { code?: string; expression?: string; diagnostics?: string } {
  const { code, expression, diagnostics } = body?.issue?.[0] ?? {};
  return { code, expression: expression?.[0], diagnostics };
}
