/**
 * Reads a gzipped tar archive in memory: what FHIR packages are shipped in.
 *
 * Nothing is written to disk, so a name can lead nowhere. Form: POSIX ustar, with pax and GNU long names.
 */
import { gunzipSync } from 'node:zlib';

export interface TarEntry {
  readonly name: string;
  /** A view of the unpacked archive. */
  readonly content: Buffer;
}

/** An archive that cannot be read, or that unpacks to more than it may. */
export class ArchiveError extends Error {
  override readonly name = 'ArchiveError';
}

const blockBytes = 512;

/**
 * The regular files of `archive`, in order.
 * @param maxBytes most that it may unpack to: a bomb ends here, before its memory is taken.
 * @throws ArchiveError
 */
export function* readTarGz(archive: Uint8Array, maxBytes: number): Generator<TarEntry> {
  let tar: Buffer;
  try {
    tar = gunzipSync(archive, { maxOutputLength: maxBytes });
  } catch (error) {
    const isTooLarge = (error as { code?: string }).code === 'ERR_BUFFER_TOO_LARGE';
    throw new ArchiveError(isTooLarge ? `it unpacks to more than ${maxBytes} bytes` : 'it is not gzip');
  }
  let longName: string | undefined;
  for (let at = 0; at + blockBytes <= tar.length;) {
    const header = tar.subarray(at, at + blockBytes);
    if (header[0] === 0) return;
    if (!hasRightChecksum(header)) throw new ArchiveError(`it is no tar archive (header at byte ${at})`);
    const size = octal(header, 124, 12);
    const start = at + blockBytes;
    if (start + size > tar.length) throw new ArchiveError('it is cut off');
    const content = tar.subarray(start, start + size);
    const type = String.fromCharCode(header[156]);
    if (type === 'x' || type === 'L') {
      longName = type === 'L' ? text(content, 0, size) : paxPath(content);
    } else {
      if (type === '0' || type === '\0') yield { name: longName ?? nameOf(header), content };
      longName = undefined;
    }
    at = start + Math.ceil(size / blockBytes) * blockBytes;
  }
}

function hasRightChecksum(header: Buffer): boolean {
  let sum = 0;
  for (let at = 0; at < blockBytes; at += 1) sum += at >= 148 && at < 156 ? 32 : header[at];
  return sum === Number.parseInt(text(header, 148, 8).trim(), 8);
}

function octal(header: Buffer, from: number, length: number): number {
  const digits = text(header, from, length).trim();
  if (!/^[0-7]*$/.test(digits)) throw new ArchiveError('it has an odd number in a header');
  return digits === '' ? 0 : Number.parseInt(digits, 8);
}

function text(bytes: Buffer, from: number, length: number): string {
  const end = bytes.subarray(from, from + length).indexOf(0);
  return bytes.toString('utf8', from, end < 0 ? from + length : from + end);
}

function nameOf(header: Buffer): string {
  const isUstar = text(header, 257, 5) === 'ustar';
  const prefix = isUstar ? text(header, 345, 155) : '';
  const name = text(header, 0, 100);
  return prefix === '' ? name : `${prefix}/${name}`;
}

/** `path` of a pax header: records `LENGTH key=value\n`. */
function paxPath(content: Buffer): string | undefined {
  for (let at = 0; at < content.length;) {
    const length = Number.parseInt(content.toString('latin1', at, at + 10), 10);
    if (!(length > 0)) return undefined;
    const record = content.toString('utf8', at, at + length);
    const match = /^\d+ path=([^]*)\n$/.exec(record);
    if (match) return match[1];
    at += length;
  }
  return undefined;
}
