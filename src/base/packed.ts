/**
 * Numbers and byte strings as one buffer, to cross to another thread without cloning objects.
 *
 * Numbers are little-endian doubles or u32; every byte string is preceded by its length (u32).
 */

export class Packer {
  private buffer: Buffer;
  private at = 0;

  /** @param sizeBytes what is expected; the buffer grows when it is not enough. */
  constructor(sizeBytes: number) {
    this.buffer = Buffer.from(new ArrayBuffer(sizeBytes));
  }

  count(value: number): void {
    this.reserve(4);
    this.at = this.buffer.writeUInt32LE(value, this.at);
  }

  number(value: number): void {
    this.reserve(8);
    this.at = this.buffer.writeDoubleLE(value, this.at);
  }

  bytes(value: Uint8Array): void {
    this.count(value.byteLength);
    this.reserve(value.byteLength);
    this.buffer.set(value, this.at);
    this.at += value.byteLength;
  }

  text(value: string): void {
    this.bytes(Buffer.from(value, 'utf8'));
  }

  /** A buffer of its own, fit to be transferred; behind what was packed it may have unused bytes. */
  done(): ArrayBuffer {
    return this.buffer.buffer as ArrayBuffer;
  }

  private reserve(sizeBytes: number): void {
    if (this.at + sizeBytes <= this.buffer.byteLength) return;
    const larger = Buffer.from(new ArrayBuffer(2 * (this.at + sizeBytes)));
    this.buffer.copy(larger, 0, 0, this.at);
    this.buffer = larger;
  }
}

export class Unpacker {
  private readonly buffer: Buffer;
  private at = 0;

  constructor(packed: ArrayBuffer) {
    this.buffer = Buffer.from(packed);
  }

  count(): number {
    const value = this.buffer.readUInt32LE(this.at);
    this.at += 4;
    return value;
  }

  number(): number {
    const value = this.buffer.readDoubleLE(this.at);
    this.at += 8;
    return value;
  }

  /** A view, not a copy. */
  bytes(): Uint8Array {
    const length = this.count();
    this.at += length;
    return this.buffer.subarray(this.at - length, this.at);
  }

  text(): string {
    const length = this.count();
    this.at += length;
    return this.buffer.toString('utf8', this.at - length, this.at);
  }

  list<T>(item: () => T): T[] {
    return Array.from({ length: this.count() }, item);
  }
}
