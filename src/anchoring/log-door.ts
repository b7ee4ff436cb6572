/**
 * The log over HTTP: checkpoint and tiles, for monitors and for anybody who wants to make proofs without us.
 *
 * Public: leaves are salted hashes. `GET /log/checkpoint`, `/log/tile/<L>/<N>[.p/<W>]` as https://c2sp.org/tlog-tiles says, `/log/cosigned`, the newest
 * checkpoint that validators cosigned (https://c2sp.org/tlog-cosignature), `/log/statements`, what they signed for the newest batches (`mooring watch`),
 * `/log/profile-set/<digest>`, a ProfileSet's manifest, and `/log/key`, the public key in the form of https://c2sp.org/signed-note. Entry bundles are not served (docs/poi.md, "Log").
 */
import type { IncomingMessage, ServerResponse } from 'node:http';
import { Cosignatures } from './cosignatures.js';
import { verifierKeyText, type NoteSigner } from './note.js';
import type { TileStore } from './tile-store.js';
import { parseTilePath } from './tiles.js';
import type { SignedStatement } from './watch/claims.js';
import { statementLine } from './watch/sources.js';

export interface LogDoor {
  /** Answers the request when its path is below `/log/`; false when it is not, and nothing was done. */
  serve(request: IncomingMessage, response: ServerResponse): boolean;
}

interface Answer {
  readonly status: number;
  readonly type: string;
  readonly caching: string;
  readonly body: string | Uint8Array;
}

const notFound: Answer = { status: 404, type: 'text/plain; charset=utf-8', caching: 'no-store', body: 'Not found\n' };

/** Name of a log from its public address: no scheme, no slash at the end. */
export function originOf(publicUrl: string): string {
  return `${publicUrl.replace(/^[a-z]+:\/\//, '').replace(/\/+$/, '')}/log`;
}

export interface LogDoorParts {
  readonly cosignatures?: Cosignatures;
  /** The manifest of a ProfileSet by its digest (hexadecimal); undefined when this server never had it in force. */
  readonly profileSet?: (digest: string) => string | undefined | Promise<string | undefined>;
  /** What validators signed for the newest batches. */
  readonly statements?: () => Promise<SignedStatement[]>;
}

/** @param signer its name is the log's origin. */
export function createLogDoor(tiles: TileStore, signer: NoteSigner, parts: LogDoorParts = {}): LogDoor {
  const { cosignatures = new Cosignatures(), profileSet = () => undefined, statements } = parts;

  /** A checkpoint of the log as it was at `size`, with the validators' cosignatures that are at hand. */
  async function checkpoint(size: number): Promise<string> {
    return cosignatures.note({ origin: signer.name, size, root: await tiles.root(size) }, signer);
  }

  async function answer(path: string): Promise<Answer> {
    const text = { status: 200, type: 'text/plain; charset=utf-8', caching: 'max-age=2' };
    if (path === 'checkpoint') return { ...text, body: await checkpoint(tiles.size) };
    if (path === 'cosigned')
      return cosignatures.newest === undefined ? notFound : { ...text, body: await checkpoint(cosignatures.newest) };
    if (path.startsWith('profile-set/')) {
      const body = await profileSet(path.slice('profile-set/'.length));
      return body === undefined ? notFound : { ...text, type: 'application/json', body };
    }
    if (path === 'statements' && statements !== undefined) {
      const lines = (await statements()).map(statementLine);
      return { ...text, type: 'application/x-ndjson', body: lines.join('') };
    }
    if (path === 'key') return { ...text, body: `${verifierKeyText(signer)}\n` };
    const name = path.startsWith('tile/') ? parseTilePath(path.slice('tile/'.length)) : undefined;
    if (name === undefined || name.level === 'entries') return notFound;
    const body = await tiles.tile({ ...name, level: name.level });
    if (body === undefined) return notFound;
    return { status: 200, type: 'application/octet-stream', caching: 'public, max-age=31536000, immutable', body };
  }

  return {
    serve(request, response) {
      const [path] = (request.url ?? '').split('?');
      if (!path.startsWith('/log/')) return false;
      if (request.method !== 'GET' && request.method !== 'HEAD') {
        response.writeHead(405, { Allow: 'GET, HEAD' }).end();
        return true;
      }
      answer(path.slice('/log/'.length)).then(
        ({ status, type, caching, body }) => {
          const headers = { 'Content-Type': type, 'Cache-Control': caching, 'Content-Length': Buffer.byteLength(body) };
          response.writeHead(status, { ...headers, 'Access-Control-Allow-Origin': '*' });
          response.end(request.method === 'HEAD' ? undefined : body);
        },
        () => response.writeHead(503, { 'Retry-After': '5' }).end(),
      );
      return true;
    },
  };
}
