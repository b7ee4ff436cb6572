/** Where a request comes from. */
import type { IncomingMessage } from 'node:http';

/**
 * Network address of the sender.
 * @param isBehindProxy a proxy stands before us: the sender is the one that it added last to X-Forwarded-For. Else that header is anybody's word.
 */
export function senderOf(
  { headers, socket }: Pick<IncomingMessage, 'headers' | 'socket'>,
  isBehindProxy: boolean,
): string {
  const forwarded = headers['x-forwarded-for'];
  const last = isBehindProxy && typeof forwarded === 'string' ? forwarded.split(',').at(-1)?.trim() : undefined;
  return last ?? socket.remoteAddress ?? '';
}
