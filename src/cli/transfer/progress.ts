/** Progress of a long command: one line that is written anew on a terminal, a line every few seconds elsewhere. */
import type { OnProgress } from './copy.js';

const everyMs = 2_000;

/** @param write where lines go. */
export function progressTo(write: (text: string) => void, isTerminal: boolean): OnProgress {
  const startedAt = performance.now();
  let last = -Infinity;
  return (what, done, total) => {
    const now = performance.now();
    if (now - last < (isTerminal ? 200 : everyMs) && done < total) return;
    last = now;
    const seconds = (now - startedAt) / 1000;
    const text = `${what}: ${done} of ${total}, ${Math.round(seconds)} s`;
    write(isTerminal ? `\r${text}\u001b[K` : `${text}\n`);
  };
}
