/** Bodies of requests to the doors of log, blocks and validators. */
import type { IncomingMessage } from 'node:http';

/** The whole body; undefined when it is longer than `greatestBytes`. */
export async function bodyOf(request: IncomingMessage, greatestBytes: number): Promise<Buffer | undefined> {
  const chunks: Buffer[] = [];
  let size = 0;
  for await (const chunk of request) {
    size += (chunk as Buffer).byteLength;
    if (size > greatestBytes) return undefined;
    chunks.push(chunk as Buffer);
  }
  return Buffer.concat(chunks);
}
