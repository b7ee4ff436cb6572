/**
 * What the publisher was told of Consents and could not remember: tried again until it is remembered, or something newer is told of the same Consent.
 *
 * A Consent is committed before the publisher hears of it: what is forgotten here would be in force in the store and not on the chain.
 */
import { FhirError } from '../base/outcome.js';

const firstPauseMs = 100;
const greatestPauseMs = 5_000;

export class Untold {
  private readonly tasks = new Map<string, () => Promise<void>>();
  private timer: NodeJS.Timeout | undefined;
  private pauseMs = firstPauseMs;
  private isClosed = false;

  /** Nothing waits to be remembered. */
  get isEmpty(): boolean {
    return this.tasks.size === 0;
  }

  /** Runs `task`, again later if it fails. @throws what it throws the first time; a FhirError is a refusal, and is not tried again. */
  async tell(consentId: string, task: () => Promise<void>): Promise<void> {
    this.tasks.delete(consentId);
    try {
      await task();
    } catch (problem) {
      if (problem instanceof FhirError) throw problem;
      this.tasks.set(consentId, task);
      this.schedule();
      throw problem;
    }
  }

  /** What is left is found by the next start. */
  close(): void {
    this.isClosed = true;
    clearTimeout(this.timer);
  }

  private schedule(): void {
    if (this.isClosed || this.timer !== undefined || this.isEmpty) return;
    this.timer = setTimeout(() => void this.again(), this.pauseMs).unref();
  }

  private async again(): Promise<void> {
    for (const [consentId, task] of [...this.tasks]) {
      if (this.tasks.get(consentId) !== task) continue;
      try {
        await task();
        if (this.tasks.get(consentId) === task) this.tasks.delete(consentId);
        this.pauseMs = firstPauseMs;
      } catch {
        this.pauseMs = Math.min(2 * this.pauseMs, greatestPauseMs);
      }
    }
    this.timer = undefined;
    this.schedule();
  }
}
