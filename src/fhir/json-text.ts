/**
 * A resource whose JSON text is at hand as bytes: what the vault opens goes out without being parsed.
 */
import { parseJson, stringifyJson } from '../base/json.js';
import type { Resource } from '../base/resource.js';

export class JsonText {
  /** @param bytes UTF-8 JSON text of one resource, without white space around it; never changed. */
  constructor(readonly bytes: Uint8Array) {}

  /** The resource, parsed anew at each call. */
  value(): Resource {
    return parseJson(asBuffer(this.bytes).toString('utf8')) as unknown as Resource;
  }
}

/** The resource, parsed when it must be. */
export function resourceOf(resource: Resource | JsonText): Resource {
  return resource instanceof JsonText ? resource.value() : resource;
}

/** A Bundle whose entries may hold resources as JSON text. */
export interface BundleOf {
  resourceType: 'Bundle';
  entry?: { resource?: Resource | JsonText; [element: string]: unknown }[];
  [element: string]: unknown;
}

/** UTF-8 JSON text of a resource; resources at hand as text, also in the entries of a Bundle, are copied as they are. */
export function toJsonBytes(resource: Resource | JsonText): Buffer {
  if (resource instanceof JsonText) return asBuffer(resource.bytes);
  const { entry } = resource as unknown as BundleOf;
  if (resource.resourceType !== 'Bundle' || !Array.isArray(entry) || !entry.some(holdsText)) {
    return Buffer.from(stringifyJson(resource));
  }
  const pieces = new Pieces();
  pieces.text(`${stringifyJson({ ...resource, entry: undefined }).slice(0, -1)},"entry":[`);
  entry.forEach(({ resource: content, fullUrl, ...others }, index) => {
    pieces.text(index === 0 ? '{' : ',{');
    let comma = '';
    if (fullUrl !== undefined) {
      pieces.text(`"fullUrl":${stringifyJson(fullUrl)}`);
      comma = ',';
    }
    if (content !== undefined) {
      pieces.text(`${comma}"resource":`);
      pieces.bytes(toJsonBytes(content));
      comma = ',';
    }
    const rest = stringifyJson(others);
    pieces.text(rest.length > 2 ? `${comma}${rest.slice(1)}` : '}');
  });
  pieces.text(']}');
  return pieces.done();
}

/** Text and bytes one after the other, written once into one piece of memory. */
class Pieces {
  private readonly pieces: (string | Uint8Array)[] = [];
  private pending = '';
  private sizeBytes = 0;

  text(text: string): void {
    this.pending += text;
  }

  bytes(bytes: Uint8Array): void {
    this.flush();
    this.pieces.push(bytes);
    this.sizeBytes += bytes.byteLength;
  }

  done(): Buffer {
    this.flush();
    const all = Buffer.allocUnsafe(this.sizeBytes);
    let at = 0;
    for (const piece of this.pieces) {
      if (typeof piece === 'string') {
        at += all.write(piece, at);
      } else {
        all.set(piece, at);
        at += piece.byteLength;
      }
    }
    return all;
  }

  private flush(): void {
    if (this.pending === '') return;
    this.pieces.push(this.pending);
    this.sizeBytes += Buffer.byteLength(this.pending);
    this.pending = '';
  }
}

function holdsText({ resource }: NonNullable<BundleOf['entry']>[number]): boolean {
  return resource instanceof JsonText || Array.isArray(resource?.entry);
}

function asBuffer(bytes: Uint8Array): Buffer {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}
