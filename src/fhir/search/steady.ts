/**
 * Searches while the index key is rotated: one that was planned under a key of before, and still ran when the terms of that key were being removed,
 * is asked again.
 *
 * The rotation makes the change of keys known first (the blinder's `epoch`) and removes terms afterwards: what ended before the change was known
 * here is right. Other servers hear of a change when they look at the log, and nothing is removed for `searchGraceMs` after it; so what took
 * less than that is right, and what took longer looks first.
 */
export interface KeysInUse {
  /** Grows with every change. */
  readonly epoch?: number;
}

/** With several servers: how long a rotation waits after a change of keys, before it removes anything. */
export const searchGraceMs = 5_000;

/**
 * What `work` answers, or throws, with no change of keys meanwhile.
 * @param refresh where there are several servers: learns of changes.
 */
export async function steadily<R>(
  keys: KeysInUse,
  refresh: (() => Promise<void>) | undefined,
  work: () => Promise<R>,
): Promise<R> {
  for (;;) {
    const { epoch } = keys;
    const startedAt = performance.now();
    const isSteady = async () => {
      if (refresh !== undefined && performance.now() - startedAt > searchGraceMs / 2) await refresh();
      return keys.epoch === epoch;
    };
    try {
      const result = await work();
      if (await isSteady()) return result;
    } catch (error) {
      if (await isSteady()) throw error;
    }
  }
}
