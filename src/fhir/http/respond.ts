/** A FhirResponse as HTTP: headers, format, compression, conditional answers. */
import type { IncomingMessage, ServerResponse } from 'node:http';
import { promisify } from 'node:util';
import { brotliCompress, constants, gzip } from 'node:zlib';
import type { Resource } from '../../base/resource.js';
import type { FhirResponse } from '../request.js';
import { JsonText, toJsonBytes, type BundleOf } from '../json-text.js';
import { Slices } from '../../base/pause.js';
import { prettyJson } from './pretty.js';
import type { Format } from './negotiation.js';

/** How the client wants its answer. */
export interface Presentation {
  readonly format: Format;
  readonly pretty: boolean;
  /** Turns JSON bytes of a resource into XML text. */
  readonly toXml: (json: Buffer) => string;
}

const contentTypes: Record<Format, string> = {
  json: 'application/fhir+json; charset=utf-8',
  xml: 'application/fhir+xml; charset=utf-8',
};

/** Bodies below this size go out as they are. */
const worthCompressing = 1024;

/** Sends `answer`; resolves when it is handed to the socket. */
export async function respond(
  request: IncomingMessage,
  response: ServerResponse,
  answer: FhirResponse,
  presentation: Presentation,
): Promise<void> {
  response.statusCode = answer.status;
  if (answer.versionId !== undefined) response.setHeader('ETag', `W/"${answer.versionId}"`);
  if (answer.lastModified !== undefined)
    response.setHeader('Last-Modified', new Date(answer.lastModified).toUTCString());
  if (answer.location !== undefined) response.setHeader('Location', answer.location);
  for (const name in answer.headers) response.setHeader(name, answer.headers[name]);
  if (answer.native !== undefined) {
    response.setHeader('Content-Type', answer.native.contentType);
    sendBytes(request, response, answer.native.bytes);
    return;
  }
  if (answer.resource === undefined) {
    if (answer.status !== 204 && answer.status !== 304) response.setHeader('Content-Length', 0);
    response.end();
    return;
  }
  response.setHeader('Content-Type', contentTypes[presentation.format]);
  const bytes = await rendered(answer.resource, presentation);
  const isWorthIt = bytes.length >= worthCompressing && answer.isSealed !== true;
  const encoding = isWorthIt ? encodingFor(request.headers['accept-encoding']) : undefined;
  if (encoding === undefined) {
    sendBytes(request, response, bytes);
    return;
  }
  response.setHeader('Content-Encoding', encoding);
  sendBytes(request, response, await compressors[encoding](bytes));
}

function sendBytes(request: IncomingMessage, response: ServerResponse, bytes: Uint8Array): void {
  response.setHeader('Content-Length', bytes.byteLength);
  response.end(request.method === 'HEAD' ? undefined : bytes);
}

async function rendered(
  resource: NonNullable<FhirResponse['resource']>,
  { format, pretty, toXml }: Presentation,
): Promise<Buffer> {
  const bytes = await jsonBytes(resource);
  if (format === 'xml') return Buffer.from(toXml(bytes));
  return pretty ? Buffer.from(`${prettyJson(bytes.toString('utf8'))}\n`) : bytes;
}

/** Bundles with more entries than this are written in slices, so that others are served meanwhile. */
const manyEntries = 500;

async function jsonBytes(resource: NonNullable<FhirResponse['resource']>): Promise<Buffer> {
  const entries = resource instanceof JsonText ? undefined : (resource as unknown as BundleOf).entry;
  if (!Array.isArray(entries) || entries.length <= manyEntries) return toJsonBytes(resource);
  const slices = new Slices();
  const pieces: Buffer[] = [];
  for (let from = 0; from < entries.length; from += 100) {
    const bundle = { resourceType: 'Bundle', entry: entries.slice(from, from + 100) };
    const text = toJsonBytes(bundle as never);
    const start = text.indexOf('[') + 1;
    pieces.push(Buffer.from(from === 0 ? '' : ','), text.subarray(start, text.length - 2));
    await slices.turn();
  }
  const head = toJsonBytes({ ...(resource as Resource), entry: undefined });
  return Buffer.concat([head.subarray(0, head.length - 1), Buffer.from(',"entry":['), ...pieces, Buffer.from(']}')]);
}

const compressors = {
  gzip: (bytes: Buffer) => promisify(gzip)(bytes, { level: 1 }),
  br: (bytes: Buffer) =>
    promisify(brotliCompress)(bytes, { params: { [constants.BROTLI_PARAM_QUALITY]: 3 } }) as Promise<Buffer>,
};

function encodingFor(accepted: string | undefined): keyof typeof compressors | undefined {
  if (accepted === undefined) return undefined;
  const allows = (name: string) => new RegExp(`(^|[,\\s])${name}(?!\\s*;\\s*q=0(\\.0*)?\\s*(,|$))`, 'i').test(accepted);
  if (allows('gzip')) return 'gzip';
  return allows('br') ? 'br' : undefined;
}
