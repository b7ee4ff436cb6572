/** Who waits until nothing of a patient is pending on the chain any more. */
import type { Hex } from '../chain/chain.js';
import type { Pending } from './pending-changes.js';

export class Settling {
  readonly #waiters = new Map<Hex, Set<(isSettled: boolean) => void>>();

  /** @returns true when nothing is pending within the time; false at once when it waits for the patient's signature. */
  wait(patient: Hex, pending: Pending | undefined, timeoutMs: number): Promise<boolean> {
    if (pending?.awaits !== 'chain') return Promise.resolve(pending === undefined);
    return new Promise((resolve) => {
      const waiters = this.#waiters.get(patient) ?? new Set();
      const finish = (isSettled: boolean) => {
        clearTimeout(timer);
        waiters.delete(finish);
        if (waiters.size === 0) this.#waiters.delete(patient);
        resolve(isSettled);
      };
      const timer = setTimeout(() => finish(false), timeoutMs);
      this.#waiters.set(patient, waiters.add(finish));
    });
  }

  /** What is pending of the patient changed. */
  tell(patient: Hex, pending: Pending | undefined): void {
    if (pending?.awaits === 'chain') return;
    for (const finish of [...(this.#waiters.get(patient) ?? [])]) finish(pending === undefined);
  }
}
