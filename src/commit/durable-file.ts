/**
 * A file that grows at its end, each write durable when it resolves, in one call beside the event loop.
 *
 * Room is written ahead as zeros: a write into room that is there already changes no metadata, and syncing it costs a third. Closing gives
 * what is left of the room back; a crash leaves zeros behind the last write.
 */
import { constants } from 'node:fs';
import { open, type FileHandle } from 'node:fs/promises';
import { writeAll } from '../base/write-all.js';

/** Room that is written ahead at once. */
const roomBytes = 256 * 1024;
/** A body of more bytes is written as it is, not copied behind its head. */
const largeBytes = 1024 * 1024;
const nothing = new Uint8Array(0);
/** What is wiped at once. */
const wipedBytes = 1024 * 1024;

export class DurableFile {
  private constructor(
    private readonly handle: FileHandle,
    private endBytes: number,
    private reservedBytes: number,
  ) {}

  /** @param existing the file is there; else it is created, with mode 0600. */
  static async open(file: string, existing: boolean): Promise<DurableFile> {
    const { O_RDWR, O_CREAT, O_TRUNC, O_DSYNC } = constants;
    const handle = await open(file, O_RDWR | O_DSYNC | (existing ? 0 : O_CREAT | O_TRUNC), 0o600);
    const { size } = await handle.stat();
    return new DurableFile(handle, size, size);
  }

  /** Where the content ends. */
  get sizeBytes(): number {
    return this.endBytes;
  }

  /** Says that the content ends at `sizeBytes`, and cuts off what is behind. */
  async cutAt(sizeBytes: number): Promise<void> {
    await this.handle.truncate(sizeBytes);
    await this.handle.sync();
    this.endBytes = sizeBytes;
    this.reservedBytes = sizeBytes;
  }

  /** Says that the content ends where the file begins. What was there stays as room, and is overwritten by and by. */
  rewind(): void {
    this.endBytes = 0;
  }

  /** Overwrites everything with zeros, durably; the content ends where the file begins. */
  async wipe(): Promise<void> {
    const zeros = Buffer.alloc(Math.min(wipedBytes, this.reservedBytes));
    for (let at = 0; at < this.reservedBytes; at += zeros.byteLength) {
      await writeAll(this.handle.fd, zeros.subarray(0, this.reservedBytes - at), at);
    }
    this.endBytes = 0;
  }

  /**
   * Durable when it resolves. After a failure the end is where it was, and the next write takes the same place.
   * @param head what makes `body` count: a large body is durable before its head is written.
   */
  async append(head: Uint8Array, body: Uint8Array = nothing): Promise<void> {
    const end = this.endBytes + head.byteLength + body.byteLength;
    if (body.byteLength > largeBytes) {
      await writeAll(this.handle.fd, body, this.endBytes + head.byteLength);
      await writeAll(this.handle.fd, head, this.endBytes);
      this.reservedBytes = Math.max(this.reservedBytes, end);
    } else {
      const isRoom = end <= this.reservedBytes;
      const pieces = isRoom ? [head, body] : [head, body, Buffer.alloc(roomBytes)];
      const bytes = isRoom && body.byteLength === 0 ? head : Buffer.concat(pieces);
      await writeAll(this.handle.fd, bytes, this.endBytes);
      if (!isRoom) this.reservedBytes = end + roomBytes;
    }
    this.endBytes = end;
  }

  async close(): Promise<void> {
    try {
      if (this.reservedBytes > this.endBytes) await this.cutAt(this.endBytes);
    } finally {
      await this.handle.close();
    }
  }
}
