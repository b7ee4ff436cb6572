/**
 * JSON-RPC 2.0 over HTTP to an EVM node, with bounds on time and a choice of endpoints.
 *
 * Spec: https://www.jsonrpc.org/specification, https://ethereum.github.io/execution-apis/
 */
import * as http from 'node:http';
import * as https from 'node:https';
import { ChainUnavailable, type Hex } from './chain.js';

/** The node answered, with an error. */
export class RpcError extends Error {
  override readonly name = 'RpcError';
  constructor(
    message: string,
    readonly code: number,
    /** Revert data of a call, where the node gives it. */
    readonly data?: Hex,
  ) {
    super(message);
  }
}

export interface RpcCall {
  readonly method: string;
  readonly params: readonly unknown[];
}

export interface RpcOptions {
  /** Tried in order; the one that answered last is tried first. */
  readonly urls: readonly string[];
  /** Bound on one attempt at one endpoint. */
  readonly timeoutMs: number;
  /** Further rounds over all endpoints after the first one failed; default 1. */
  readonly retries?: number;
}

interface RpcResponse {
  readonly id: number;
  readonly result?: unknown;
  readonly error?: { readonly code: number; readonly message: string; readonly data?: unknown };
}

/** A client of one chain. Every method throws ChainUnavailable when no endpoint answers within its bound. */
export class JsonRpc {
  readonly #options: RpcOptions;
  readonly #agents = {
    http: new http.Agent({ keepAlive: true, maxSockets: 16 }),
    https: new https.Agent({ keepAlive: true, maxSockets: 16 }),
  };
  #first = 0;
  #nextId = 1;
  #isClosed = false;

  constructor(options: RpcOptions) {
    this.#options = options;
  }

  /** @throws RpcError when the node answers with an error. */
  async call<T>(method: string, ...params: readonly unknown[]): Promise<T> {
    const [answer] = await this.#attempt([{ method, params }]);
    return resultOf<T>(answer as RpcResponse);
  }

  /** Several calls in one request, in order; one that the node refused is an RpcError in its place. */
  async batch(calls: readonly RpcCall[]): Promise<unknown[]> {
    return (await this.#attempt(calls)).map((answer) => {
      try {
        return resultOf(answer);
      } catch (problem) {
        return problem;
      }
    });
  }

  close(): void {
    this.#isClosed = true;
    this.#agents.http.destroy();
    this.#agents.https.destroy();
  }

  async #attempt(calls: readonly RpcCall[]): Promise<RpcResponse[]> {
    const { urls, timeoutMs, retries = 1 } = this.#options;
    const base = this.#nextId;
    this.#nextId += calls.length;
    const requests = calls.map(({ method, params }, i) => ({ jsonrpc: '2.0', id: base + i, method, params }));
    const body = JSON.stringify(requests.length === 1 ? requests[0] : requests);
    const problems: string[] = [];
    for (let attempt = 0; attempt < urls.length * (retries + 1) && !this.#isClosed; attempt += 1) {
      const index = (this.#first + attempt) % urls.length;
      try {
        const answers = parseAnswers(await this.#post(urls[index] as string, body, timeoutMs), requests);
        this.#first = index;
        return answers;
      } catch (problem) {
        problems.push((problem as Error).message);
      }
    }
    throw new ChainUnavailable(`no endpoint of the chain answered: ${[...new Set(problems)].join('; ') || 'closed'}`);
  }

  #post(url: string, body: string, timeoutMs: number): Promise<string> {
    return new Promise((resolve, reject) => {
      const isTls = url.startsWith('https:');
      const request = (isTls ? https : http).request(
        url,
        {
          method: 'POST',
          agent: isTls ? this.#agents.https : this.#agents.http,
          headers: { 'content-type': 'application/json', 'content-length': Buffer.byteLength(body) },
        },
        (response) => {
          const chunks: Buffer[] = [];
          response.on('data', (chunk: Buffer) => chunks.push(chunk));
          response.on('error', reject);
          response.on('end', () => {
            clearTimeout(timer);
            const text = Buffer.concat(chunks).toString('utf8');
            if (response.statusCode === 200) resolve(text);
            else reject(new Error(`HTTP status ${String(response.statusCode)}`));
          });
        },
      );
      const timer = setTimeout(() => request.destroy(new Error(`no answer within ${timeoutMs} ms`)), timeoutMs);
      request.on('error', (problem) => {
        clearTimeout(timer);
        reject(problem);
      });
      request.end(body);
    });
  }
}

/** The responses in the order of the requests. @throws Error when the text is not that. */
function parseAnswers(text: string, requests: readonly { readonly id: number }[]): RpcResponse[] {
  const parsed = JSON.parse(text) as RpcResponse | RpcResponse[];
  const answers = Array.isArray(parsed) ? parsed : [parsed];
  const byId = new Map(answers.map((answer) => [answer.id, answer]));
  return requests.map(({ id }) => {
    const answer = byId.get(id);
    if (answer === undefined) throw new Error('an answer is missing');
    return answer;
  });
}

function resultOf<T>({ result, error }: RpcResponse): T {
  if (error === undefined) return result as T;
  throw new RpcError(error.message, error.code, revertDataOf(error.data));
}

/** Nodes put revert data in `data` or in `data.data`. */
function revertDataOf(data: unknown): Hex | undefined {
  if (typeof data === 'string' && data.startsWith('0x')) return data as Hex;
  if (typeof data === 'object' && data !== null && 'data' in data) return revertDataOf(data.data);
  return undefined;
}
