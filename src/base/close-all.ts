/** Closing many things, one after the other. */

/**
 * Runs each of `closings` in turn; one that fails does not keep the others open.
 * @throws what the first that failed threw, after all have run.
 */
export async function closeAll(closings: readonly (() => unknown)[]): Promise<void> {
  const failures: unknown[] = [];
  for (const close of closings) {
    try {
      await close();
    } catch (error) {
      failures.push(error);
    }
  }
  if (failures.length > 0) throw failures[0];
}
