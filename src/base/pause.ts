/** Lets other requests go on while a long one is worked on. */

/** Resolves after the event loop had its turn. */
export function pause(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}

/** Hands out turns: `turn()` pauses only when `sliceMs` milliseconds have passed since the last pause. */
export class Slices {
  private end: number;

  constructor(private readonly sliceMs = 15) {
    this.end = performance.now() + sliceMs;
  }

  /** @returns undefined when there is no need to wait (so that callers need not await), else a promise. */
  turn(): Promise<void> | undefined {
    if (performance.now() < this.end) return undefined;
    return pause().then(() => {
      this.end = performance.now() + this.sliceMs;
    });
  }
}
