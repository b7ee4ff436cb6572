/** Writing to a file beside the event loop. */
import { write } from 'node:fs';

/**
 * Resolves when all of `bytes` are written at `position`, in as many pieces as the system takes; durable then if the file is open with O_DSYNC.
 * @throws what the system says (ENOSPC and the like); what was written before stays.
 */
export function writeAll(fd: number, bytes: Uint8Array, position: number): Promise<void> {
  return new Promise((resolve, reject) => {
    const next = (done: number) => {
      write(fd, bytes, done, bytes.byteLength - done, position + done, (error, written) => {
        if (error !== null) return reject(error);
        if (written === 0) return reject(new Error('the file takes no more bytes'));
        return done + written < bytes.byteLength ? next(done + written) : resolve();
      });
    };
    next(0);
  });
}
