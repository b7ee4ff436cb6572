/** Segment files opened for reading: a bounded number of descriptors, closed only when nobody reads. */
import { closeSync, openSync, readSync } from 'node:fs';
import { BlockStoreUnavailable } from './block-store.js';

const mostOpen = 64;

export interface OpenFile {
  readonly number: number;
  readonly fd: number;
  readers: number;
  isForgotten: boolean;
}

export class OpenFiles {
  private readonly files = new Map<number, OpenFile>();

  constructor(private readonly fileOf: (number: number) => string) {}

  /** The file, open until `release`. @throws BlockStoreUnavailable */
  use(number: number): OpenFile {
    const known = this.files.get(number);
    if (known !== undefined) {
      known.readers += 1;
      return known;
    }
    let fd: number;
    try {
      fd = openSync(this.fileOf(number), 'r');
    } catch (error) {
      throw new BlockStoreUnavailable(`segment ${number} cannot be read: ${(error as Error).message}`);
    }
    const file: OpenFile = { number, fd, readers: 1, isForgotten: false };
    this.files.set(number, file);
    if (this.files.size > mostOpen) this.forget([...this.files.values()].find(({ readers }) => readers === 0)?.number);
    return file;
  }

  /** What the file has at `position`, at most so many bytes, without the thread pool. @throws BlockStoreUnavailable */
  readNow(number: number, sizeBytes: number, position: number): Buffer {
    const file = this.use(number);
    try {
      const bytes = Buffer.allocUnsafe(sizeBytes);
      return bytes.subarray(0, readSync(file.fd, bytes, 0, sizeBytes, position));
    } catch (error) {
      throw new BlockStoreUnavailable((error as Error).message);
    } finally {
      this.release(file);
    }
  }

  release(file: OpenFile): void {
    file.readers -= 1;
    if (file.isForgotten && file.readers === 0) closeSync(file.fd);
  }

  forget(number: number | undefined): void {
    const file = number === undefined ? undefined : this.files.get(number);
    if (file === undefined) return;
    this.files.delete(file.number);
    file.isForgotten = true;
    if (file.readers === 0) closeSync(file.fd);
  }

  close(): void {
    for (const number of [...this.files.keys()]) this.forget(number);
  }
}
