/** Verdicts by system and code: two Map look-ups an answer. Emptied when full, so that invented codes cannot fill the memory. */
import type { CodeVerdict } from './verdict.js';

/** The verdict of every member: shared, so that a pass costs no memory. */
export const memberVerdict: CodeVerdict = Object.freeze({ result: 'in', reason: 'member' });

const verdictLimit = 20_000;

export class VerdictCache {
  private readonly bySystem = new Map<string, Map<string, CodeVerdict>>();
  private size = 0;

  get(system: string, code: string): CodeVerdict | undefined {
    return this.bySystem.get(system)?.get(code);
  }

  /** @returns `verdict`. Texts longer than 500 characters are not kept. */
  put(system: string, code: string, verdict: CodeVerdict): CodeVerdict {
    if (system.length + code.length > 500) return verdict;
    if (this.size >= verdictLimit) {
      this.bySystem.clear();
      this.size = 0;
    }
    let codes = this.bySystem.get(system);
    if (!codes) {
      codes = new Map();
      this.bySystem.set(system, codes);
    }
    codes.set(code, verdict);
    this.size += 1;
    return verdict;
  }
}
