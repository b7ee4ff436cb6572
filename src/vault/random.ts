/** Random bytes out of a pool: asking the system for 24 bytes costs as much as asking for 16 KiB. */
import { randomFillSync } from 'node:crypto';

const pool = new Uint8Array(16 * 1024);
let used = pool.byteLength;

/** `count` bytes (at most 1024) from the system's generator, each handed out once and wiped from the pool. */
export function randomBytes(count: number): Uint8Array {
  if (used + count > pool.byteLength) {
    randomFillSync(pool);
    used = 0;
  }
  const bytes = new Uint8Array(count);
  bytes.set(pool.subarray(used, used + count));
  pool.fill(0, used, used + count);
  used += count;
  return bytes;
}
