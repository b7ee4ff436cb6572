/**
 * Loaded into the server under measurement (`--import`): how long its main thread was busy without serving anybody else, in processor time, so
 * that what other processes take does not count (Linux). On SIGUSR2 it writes the longest steps since the last one to STEPS_FILE.
 */
import { readFileSync, writeFileSync } from 'node:fs';
import { isMainThread } from 'node:worker_threads';

const tickMs = 2;

/** Processor time of this thread, milliseconds. */
function processorMs(): number {
  return Number(readFileSync(`/proc/self/task/${process.pid}/schedstat`, 'utf8').split(' ')[0]) / 1e6;
}

const file = process.env.STEPS_FILE;
if (isMainThread && file !== undefined) {
  let steps: number[] = [];
  let last = processorMs();
  setInterval(() => {
    const now = processorMs();
    steps.push(now - last);
    last = now;
  }, tickMs).unref();
  process.on('SIGUSR2', () => {
    writeFileSync(file, JSON.stringify(steps.sort((a, b) => b - a).slice(0, 20)));
    steps = [];
  });
}
