/**
 * The composition root: opens storage, chain and definitions, wires the FHIR door on them, and closes them in order.
 *
 * The only place, beside src/wiring and the command line, that knows adapters. Tests enter here too.
 */
import { createServer as createHttpServer, type Server as HttpServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { closeAll } from './base/close-all.js';
import { systemClock, type Clock } from './base/clock.js';
import { createLog, type Log } from './base/log.js';
import type { Config } from './config.js';
import { TokenIssuer, type TokenClaims } from './smart/token-issuer.js';
import type { Serve } from './serving/front.js';
import { openDoor } from './wiring/door.js';
import { openFront } from './wiring/front.js';
import { loadActiveDefinitions, loadUploads } from './wiring/definitions.js';
import { connectNetwork } from './wiring/network.js';
import type { PortsBetween } from './wiring/ports.js';
import { openStorage } from './wiring/storage.js';

export interface Server {
  /** `http://HOST:PORT`, without a slash at the end. */
  readonly url: string;
  /** Base URL of the FHIR door. */
  readonly baseUrl: string;
  readonly chainUrl: string;
  readonly chainId: number;
  /** A token of the local issuer; by default of the server's own organisation, for one hour. */
  token(claims?: Partial<TokenClaims>): Promise<string>;
  /** Finishes what is under way, takes nothing new, and closes everything. */
  close(): Promise<void>;
}

/**
 * Starts a server; resolves when it answers.
 * @throws FolderLocked, and whatever a part says that cannot be opened; nothing is left open then.
 */
export async function createServer(
  config: Config,
  log: Log = createLog('silent', () => undefined),
  clock: Clock = systemClock,
  between: PortsBetween = {},
): Promise<Server> {
  const startedAt = performance.now();
  const opened: (() => Promise<void>)[] = [];
  const closeOpened = () => closeAll(opened.splice(0).reverse());
  try {
    const issuer = await TokenIssuer.open(config.keysDir);
    const http = createHttpServer();
    // The port is known before the parts that need the base URL are made.
    await listen(http, config);
    opened.push(() => closeHttp(http));
    let serve: Serve = (_request, response) => void response.writeHead(503, { 'Retry-After': '1' }).end();
    http.on('request', (request, response) => serve(request, response));
    const url = `http://${config.host.includes(':') ? `[${config.host}]` : config.host}:${(http.address() as AddressInfo).port}`;
    const baseUrl = `${config.publicUrl ?? url}/fhir`;

    const storage = await openStorage(config, between);
    opened.push(storage.close);
    const definitions = loadActiveDefinitions(config, log);
    const shipped = [...definitions.current.definitions.searchParameters()];
    await loadUploads(definitions, storage);
    const network = await connectNetwork(
      config,
      storage.keyRing,
      baseUrl,
      definitions.current.profileSet.digest,
      log,
      storage.catalog,
      between,
    );
    opened.push(network.close);
    const door = await openDoor({
      config,
      baseUrl,
      clock,
      log,
      storage,
      definitions,
      shipped,
      network,
      issuer,
      between,
    });
    opened.push(door.close);
    const front = openFront({ config, log, door, storage, network });
    opened.push(front.close);
    serve = front.handle;

    log.write({
      event: 'started',
      url: baseUrl,
      startMs: Math.round(performance.now() - startedAt),
      versions: storage.catalog.head().leafCount,
    });
    return {
      url,
      baseUrl,
      chainUrl: network.url,
      chainId: network.chainId,
      token: (claims = {}) =>
        issuer.issue(
          { actor: config.organization, scope: 'system/*.cruds', purpose: 'TREAT', expiresInSeconds: 3_600, ...claims },
          clock,
        ),
      close: async () => {
        await front.drain();
        // Connections first: what they asked for is answered while everything is still open.
        await closeHttp(http);
        await closeOpened();
      },
    };
  } catch (error) {
    await closeOpened().catch(() => undefined);
    throw error;
  }
}

/** @throws Error in words for the operator when the port is taken. */
function listen(http: HttpServer, { host, port }: Config): Promise<void> {
  return new Promise((resolve, reject) => {
    http.once('error', (error: NodeJS.ErrnoException) => {
      const isTaken = error.code === 'EADDRINUSE';
      reject(isTaken ? new Error(`port ${port} of ${host} is in use: stop what listens there, or set PORT`) : error);
    });
    // Longer than proxies keep a connection idle (60 s): they, not we, end it, so no request meets a connection that is being closed.
    http.keepAliveTimeout = 65_000;
    http.listen(port, host, () => {
      http.removeAllListeners('error');
      resolve();
    });
  });
}

/** Lets running requests finish; idle connections end at once. */
function closeHttp(http: HttpServer): Promise<void> {
  if (!http.listening) return Promise.resolve();
  return new Promise((resolve, reject) => {
    http.close((error) => (error === undefined ? resolve() : reject(error)));
    http.closeIdleConnections();
  });
}
