/** Profiles on resources and types. */
import type { Frame, Run } from './run.js';

export class Profiles {
  checkElement(_run: Run, _url: string, _value: unknown, _path: string): void {}
  checkResource(_run: Run, _frame: Frame): void {}
}
