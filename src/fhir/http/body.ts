/** Request bodies: read up to a limit, unpacked, parsed by what the Content-Type says. */
import { isAscii } from 'node:buffer';
import type { IncomingMessage } from 'node:http';
import type { Readable } from 'node:stream';
import { createBrotliDecompress, createGunzip, createInflate } from 'node:zlib';
import { FhirError, fhirError } from '../../base/outcome.js';
import { parseJson, parseJsonInSlices } from '../../base/json.js';
import { JsonError } from '../../base/json-parser.js';
import type { Resource } from '../../base/resource.js';
import type { Definitions } from '../definitions/definitions.js';
import { readXml, XmlError } from '../format/xml.js';
import { pause, Slices } from '../../base/pause.js';

/**
 * The whole body, unpacked. A body over the limit is read to its end (within bounds) and thrown away, so that the client gets to hear the answer.
 * @throws FhirError 413 `too-long` over `maxBytes` (of the unpacked body), 415 for an unknown Content-Encoding, 400 for bytes that do not unpack.
 */
export async function readBody(request: IncomingMessage, maxBytes: number): Promise<Buffer> {
  const chunks: Buffer[] = [];
  let sizeBytes = 0;
  const isTooLong = Number(request.headers['content-length'] ?? 0) > maxBytes;
  const source = unpacked(request);
  try {
    for await (const chunk of source as AsyncIterable<Buffer>) {
      sizeBytes += chunk.length;
      if (sizeBytes <= maxBytes && !isTooLong) chunks.push(chunk);
      else chunks.length = 0;
      if (sizeBytes > maxBytes && source !== request) break;
      if (sizeBytes > maxBytes * 4 + 64 * 1024 * 1024) break;
    }
  } catch (error) {
    if (error instanceof FhirError) throw error;
    throw fhirError(400, 'structure', `The body cannot be read: ${(error as Error).message}.`);
  }
  if (sizeBytes > maxBytes || isTooLong) {
    // What is packed is not unpacked any further; its bytes are read to their end.
    if (source !== request) request.resume();
    throw fhirError(413, 'too-long', `The body is larger than the ${maxBytes} bytes that this server accepts.`);
  }
  return chunks.length === 1 ? chunks[0] : joined(chunks, sizeBytes);
}

async function joined(chunks: readonly Buffer[], sizeBytes: number): Promise<Buffer> {
  const bytes = Buffer.allocUnsafe(sizeBytes);
  const slices = new Slices();
  let at = 0;
  for (const chunk of chunks) {
    at += chunk.copy(bytes, at);
    await slices.turn();
  }
  return bytes;
}

function unpacked(request: IncomingMessage): Readable {
  const encoding = (request.headers['content-encoding'] ?? 'identity').toLowerCase();
  switch (encoding) {
    case 'identity':
      return request;
    case 'gzip':
    case 'x-gzip':
      return request.pipe(createGunzip());
    case 'deflate':
      return request.pipe(createInflate());
    case 'br':
      return request.pipe(createBrotliDecompress());
    default:
      throw fhirError(415, 'not-supported', `Content-Encoding "${encoding}" is none of gzip, deflate, br.`);
  }
}

/** Bodies from this size on are parsed in slices. */
const largeBytes = 256 * 1024;

/** @throws FhirError 400 `structure` with line and column when `bytes` are no UTF-8 JSON. */
export async function parseJsonBody(bytes: Buffer): Promise<unknown> {
  const text = bytes.length < largeBytes ? decodeUtf8(bytes) : await decodeInSlices(bytes);
  try {
    return bytes.length < largeBytes ? parseJson(text) : await parseJsonInSlices(text, pause);
  } catch (error) {
    if (!(error instanceof JsonError)) throw error;
    const { message, line, column, kind } = error;
    const diagnostics = kind === 'syntax' ? `The body is not JSON: ${message}.` : `${capitalised(message)}.`;
    throw new FhirError(400, [
      { severity: 'fatal', code: 'structure', diagnostics, line, column, rule: `json-${kind}` },
    ]);
  }
}

/** @throws FhirError 400 `structure` with line and column when `bytes` are no FHIR XML. */
export function parseXmlBody(bytes: Buffer, definitions: Definitions): Resource {
  try {
    return readXml(decodeUtf8(bytes), definitions);
  } catch (error) {
    if (!(error instanceof XmlError)) throw error;
    const { message, line, column, expression } = error;
    const diagnostics = `The body is no FHIR XML: ${message}.`;
    const issue = { severity: 'fatal', code: 'structure', diagnostics, line, column, rule: 'xml' } as const;
    throw new FhirError(400, [expression === undefined ? issue : { ...issue, expression }]);
  }
}

const strictUtf8 = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });

/** @throws FhirError 400 `structure` when `bytes` are no UTF-8. */
export function decodeUtf8(bytes: Buffer): string {
  if (bytes.length < largeBytes && isAscii(bytes)) return bytes.toString('latin1');
  try {
    return strictUtf8.decode(bytes);
  } catch {
    throw notUtf8();
  }
}

/** So much is decoded at once. */
const decodedBytes = 2 * 1024 * 1024;

/** @throws FhirError 400 `structure` when `bytes` are no UTF-8. */
async function decodeInSlices(bytes: Buffer): Promise<string> {
  const decoder = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });
  const pieces: string[] = [];
  try {
    for (let at = 0; at < bytes.length; at += decodedBytes) {
      const end = at + decodedBytes;
      pieces.push(decoder.decode(bytes.subarray(at, end), { stream: end < bytes.length }));
      await pause();
    }
  } catch {
    throw notUtf8();
  }
  const text = pieces.join('');
  await pause();
  return text;
}

function notUtf8() {
  return fhirError(400, 'structure', 'The body is not UTF-8 text.');
}

function capitalised(text: string): string {
  return text.charAt(0).toUpperCase() + text.slice(1);
}
