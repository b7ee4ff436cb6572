/**
 * Sealed blocks over HTTP, for validators that hold the ticket of a batch.
 *
 * `GET /ipfs/<cid>` answers one block as a trustless gateway does (https://specs.ipfs.tech/http-gateways/trustless-gateway/); `POST /ipfs/blocks`
 * takes `{"cids":[...]}` and answers a CAR (version 1) with those that are there. Sealed blocks tell nothing, yet nobody else needs them from here.
 */
import type { IncomingMessage, ServerResponse } from 'node:http';
import type { BlockDigest } from '../base/ids.js';
import { BlockMissing, type BlockStore } from '../ipfs/block-store.js';
import { carHeader, sectionHead } from '../ipfs/car-format.js';
import { digestOfCid } from './cid.js';
import type { LogDoor } from './log-door.js';
import { bodyOf } from './request-body.js';

const greatestBody = 256 * 1024;
const greatestCount = 2_000;

/** @param isTicket whether a bearer's text, hexadecimal, is a ticket that was given out. */
export function createBlockDoor(blocks: Pick<BlockStore, 'get'>, isTicket: (ticket: string) => boolean): LogDoor {
  async function answer(request: IncomingMessage, response: ServerResponse, path: string): Promise<void> {
    const [, ticket] = /^Bearer ([0-9a-f]{64})$/.exec(request.headers.authorization ?? '') ?? [];
    if (ticket === undefined || !isTicket(ticket)) return end(response, 401);
    if (request.method === 'GET') {
      const digest = digestOfCid(path);
      const bytes = digest && (await found(blocks, digest));
      if (bytes === undefined) return end(response, 404);
      response.writeHead(200, { 'Content-Type': 'application/vnd.ipld.raw', 'Content-Length': bytes.byteLength });
      return void response.end(bytes);
    }
    if (request.method !== 'POST' || path !== 'blocks') return end(response, 405);
    const digests = readCids(await bodyOf(request, greatestBody));
    if (digests === undefined) return end(response, 400);
    response.writeHead(200, { 'Content-Type': 'application/vnd.ipld.car; version=1' });
    response.write(carHeader);
    for (const digest of digests) {
      const bytes = await found(blocks, digest);
      if (bytes === undefined) continue;
      response.write(sectionHead({ digest, bytes }));
      if (!response.write(bytes)) await new Promise<void>((resolve) => response.once('drain', resolve));
    }
    response.end();
  }

  return {
    serve(request, response) {
      const [path] = (request.url ?? '').split('?');
      if (!path.startsWith('/ipfs/')) return false;
      answer(request, response, path.slice('/ipfs/'.length)).catch(() => {
        if (response.headersSent) response.destroy();
        else end(response, 503);
      });
      return true;
    },
  };
}

async function found(blocks: Pick<BlockStore, 'get'>, digest: BlockDigest): Promise<Uint8Array | undefined> {
  try {
    return await blocks.get(digest);
  } catch (error) {
    if (error instanceof BlockMissing) return undefined;
    throw error;
  }
}

function readCids(body: Buffer | undefined): BlockDigest[] | undefined {
  if (body === undefined) return undefined;
  try {
    const { cids } = JSON.parse(body.toString('utf8')) as { cids: string[] };
    if (!Array.isArray(cids) || cids.length > greatestCount) return undefined;
    const digests = cids.map((cid) => digestOfCid(cid));
    return digests.every((digest) => digest !== undefined) ? digests : undefined;
  } catch {
    return undefined;
  }
}

function end(response: ServerResponse, status: number): void {
  response.writeHead(status, status === 503 ? { 'Retry-After': '5' } : {}).end();
}
