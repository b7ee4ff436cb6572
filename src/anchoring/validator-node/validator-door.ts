/**
 * A validator's HTTP door: `POST /attest` for the log whose key it was given, `GET /validator` (what it is) for anybody.
 *
 * 200 signatures, 422 a signed refusal, 409 its last head when the request does not lead from there, 401 a request that the log's key did not sign,
 * 503 when it cannot judge now.
 */
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { NoteVerifier } from '../note.js';
import { bodyOf } from '../request-body.js';
import { decodeRequest, signatureHeader, signedRequest } from './attest-request.js';
import type { ValidatorNode } from './validator-node.js';

export interface DoorParts {
  readonly node: ValidatorNode;
  /** The key of the log; asked for with the first request, then kept. */
  logKey(): Promise<NoteVerifier>;
  /** What `GET /validator` answers. */
  describe(): object;
}

const greatestBody = 64 * 1024 * 1024;

/** Not yet listening. */
export function createValidatorDoor(parts: DoorParts): Server {
  const server = createServer((request, response) => {
    answer(parts, request).then(
      ({ status, body }) => send(response, status, body),
      (error: unknown) => send(response, 503, { problem: (error as Error).message }),
    );
  });
  server.requestTimeout = 120_000;
  return server;
}

async function answer({ node, logKey, describe }: DoorParts, request: IncomingMessage) {
  const { method, url } = request;
  if (method === 'GET' && url === '/validator') return { status: 200, body: describe() };
  if (url !== '/attest') return { status: 404, body: { problem: 'not found' } };
  if (method !== 'POST') return { status: 405, body: { problem: 'POST is expected' } };
  const body = await bodyOf(request, greatestBody);
  if (body === undefined) return { status: 413, body: { problem: 'the body is too large' } };
  const signature = Buffer.from(String(request.headers[signatureHeader] ?? ''), 'base64');
  if (!(await logKey()).verify(signedRequest(node.address, body), signature))
    return { status: 401, body: { problem: "the log's key did not sign this request" } };
  let decoded;
  try {
    decoded = decodeRequest(body);
  } catch (error) {
    return { status: 400, body: { problem: (error as Error).message } };
  }
  const found = await node.attest(decoded);
  switch (found.kind) {
    case 'attested': {
      const { signer, r, vs } = found.signature;
      return { status: 200, body: { signer, r, vs, cosignature: found.cosignature } };
    }
    case 'refused': {
      const { reasons, signature: signed } = found.refusal;
      return { status: 422, body: { signer: signed.signer, reasons, r: signed.r, vs: signed.vs } };
    }
    case 'consistency-wanted':
      return { status: 409, body: { last: found.last } };
  }
}

function send(response: ServerResponse, status: number, body: object): void {
  const text = JSON.stringify(body);
  response.writeHead(status, { 'Content-Type': 'application/json', 'Content-Length': Buffer.byteLength(text) });
  response.end(text);
}
