/** Bodies of requests to the authorization server, and how one is changed before oidc-provider reads it. */
import { createHmac, timingSafeEqual } from 'node:crypto';
import { IncomingMessage } from 'node:http';

const mostBytes = 64 * 1024;

/** A body that is larger than any form or registration. */
export class BodyTooLarge extends Error {
  override readonly name = 'BodyTooLarge';
}

/** @throws BodyTooLarge */
export async function readSmallBody(request: IncomingMessage): Promise<string> {
  const chunks: Buffer[] = [];
  let size = 0;
  for await (const chunk of request as AsyncIterable<Buffer>) {
    size += chunk.length;
    if (size > mostBytes) throw new BodyTooLarge('the body is too large');
    chunks.push(chunk);
  }
  return Buffer.concat(chunks).toString('utf8');
}

/** The same request with another body, for a reader of streams. */
export function requestWithBody(request: IncomingMessage, body: string): IncomingMessage {
  const bytes = Buffer.from(body);
  const changed = new IncomingMessage(request.socket);
  changed.method = request.method;
  changed.url = request.url;
  changed.headers = { ...request.headers, 'content-length': String(bytes.length) };
  delete changed.headers['transfer-encoding'];
  changed.httpVersion = request.httpVersion;
  changed.push(bytes);
  changed.push(null);
  changed.complete = true;
  return changed;
}

/** A form's proof that it was filled in on a page of this interaction. */
export function csrfOf(key: Uint8Array, interaction: string): string {
  return createHmac('sha256', key).update(interaction).digest('base64url');
}

export function isCsrf(key: Uint8Array, interaction: string, given: string | null): boolean {
  const expected = Buffer.from(csrfOf(key, interaction));
  const found = Buffer.from(given ?? '');
  return found.length === expected.length && timingSafeEqual(found, expected);
}

/** Header in which the server tells its own pages where a request comes from. */
export const senderHeader = 'x-mooring-client';

/** From where somebody asks, for the counting of attempts. */
export function addressOf({ socket, headers }: IncomingMessage): string {
  const sender = headers[senderHeader];
  return typeof sender === 'string' ? sender : (socket.remoteAddress ?? '');
}
