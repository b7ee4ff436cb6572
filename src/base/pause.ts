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

/** Runs `steps` to their end, with a turn after each. */
export async function inSlices<T>(steps: Generator<void, T>, slices = new Slices()): Promise<T> {
  for (;;) {
    const step = steps.next();
    if (step.done === true) return step.value;
    const turn = slices.turn();
    if (turn !== undefined) await turn;
  }
}

/** Runs `steps` to their end, without a pause. */
export function atOnce<T>(steps: Generator<void, T>): T {
  for (;;) {
    const step = steps.next();
    if (step.done === true) return step.value;
  }
}

/** `list.map(each)`, with turns in between. */
export async function mapInSlices<T, R>(
  list: readonly T[],
  each: (item: T, index: number) => R,
  slices = new Slices(),
): Promise<R[]> {
  const mapped: R[] = [];
  for (let index = 0; index < list.length; index += 1) {
    mapped.push(each(list[index]!, index));
    const turn = slices.turn();
    if (turn !== undefined) await turn;
  }
  return mapped;
}
