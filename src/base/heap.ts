/**
 * How far the heap may grow beyond what lives before it is collected: by so many bytes, whatever lives.
 *
 * V8 lets a large heap grow by a multiple of what lives, which is memory, or, told a percentage, collects a small one again and again: at 40 %
 * a quarter of the time that long pages take.
 */
import { constants, PerformanceObserver } from 'node:perf_hooks';
import { getHeapStatistics, setFlagsFromString } from 'node:v8';

const mebibyte = 1024 * 1024;

/** V8's flag for a heap of which `liveBytes` live. @returns percent, 20 to 400. */
export function growingPercent(liveBytes: number, roomBytes: number): number {
  return Math.round(Math.min(Math.max((100 * roomBytes) / liveBytes, 20), 400));
}

/** Watches collections, and tells V8 after each how far the heap may grow. @returns what ends it. */
export function boundHeapGrowth(roomBytes = 60 * mebibyte): () => void {
  const adjust = () => {
    const percent = growingPercent(getHeapStatistics().used_heap_size, roomBytes);
    setFlagsFromString(`--heap-growing-percent=${percent}`);
  };
  const observer = new PerformanceObserver((list) => {
    const kinds = list.getEntries().map((entry) => (entry as unknown as { detail?: { kind?: number } }).detail?.kind);
    if (kinds.includes(constants.NODE_PERFORMANCE_GC_MAJOR)) adjust();
  });
  observer.observe({ entryTypes: ['gc'] });
  adjust();
  return () => observer.disconnect();
}
