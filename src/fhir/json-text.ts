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
  entry.forEach(({ resource: content, fullUrl, search, ...others }, index) => {
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
    if (search !== undefined) {
      pieces.text(`${comma}"search":${searchText(search)}`);
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
  private written = '';
  private readonly contents: Uint8Array[] = [];
  /** Before each of `contents`: the length of the text. */
  private readonly marks: number[] = [];
  private contentBytes = 0;

  text(text: string): void {
    this.written += text;
  }

  bytes(bytes: Uint8Array): void {
    this.marks.push(this.written.length);
    this.contents.push(bytes);
    this.contentBytes += bytes.byteLength;
  }

  done(): Buffer {
    // One call for all of the text: mostly each of its letters is one byte.
    const text = Buffer.from(this.written);
    const marks = text.byteLength === this.written.length ? this.marks : this.marksInBytes();
    const all = Buffer.allocUnsafe(text.byteLength + this.contentBytes);
    let at = 0;
    let from = 0;
    this.contents.forEach((bytes, index) => {
      at += text.copy(all, at, from, marks[index]);
      all.set(bytes, at);
      at += bytes.byteLength;
      from = marks[index];
    });
    text.copy(all, at, from);
    return all;
  }

  private marksInBytes(): number[] {
    let before = 0;
    let bytes = 0;
    return this.marks.map((mark) => {
      bytes += Buffer.byteLength(this.written.slice(before, mark));
      before = mark;
      return bytes;
    });
  }
}

/** The few that entries share (searchset.ts). */
const searchTexts = new WeakMap<object, string>();

function searchText(search: unknown): string {
  if (typeof search !== 'object' || search === null) return stringifyJson(search);
  let text = searchTexts.get(search);
  if (text === undefined && Object.isFrozen(search)) searchTexts.set(search, (text = stringifyJson(search)));
  return text ?? stringifyJson(search);
}

function holdsText({ resource }: NonNullable<BundleOf['entry']>[number]): boolean {
  return resource instanceof JsonText || Array.isArray(resource?.entry);
}

function asBuffer(bytes: Uint8Array): Buffer {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}
