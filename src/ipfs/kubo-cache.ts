/** Sealed bytes in memory, at most so many; what was used longest ago goes first. */
export class ByteCache {
  private readonly held = new Map<string, Uint8Array>();
  private sizeBytes = 0;

  constructor(private readonly capacityBytes: number) {}

  get(key: string): Uint8Array | undefined {
    const found = this.held.get(key);
    if (found === undefined) return undefined;
    // Maps keep the order of insertion: the newest use is last.
    this.held.delete(key);
    this.held.set(key, found);
    return found;
  }

  set(key: string, bytes: Uint8Array): void {
    this.delete(key);
    if (bytes.byteLength > this.capacityBytes / 8) return;
    // A copy of its own: a view would keep all of the buffer under it.
    this.held.set(key, Uint8Array.from(bytes));
    this.sizeBytes += bytes.byteLength;
    for (const oldest of this.held.keys()) {
      if (this.sizeBytes <= this.capacityBytes) return;
      this.delete(oldest);
    }
  }

  delete(key: string): void {
    this.sizeBytes -= this.held.get(key)?.byteLength ?? 0;
    this.held.delete(key);
  }
}
