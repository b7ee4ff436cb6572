/** The validators' cosignatures under the newest checkpoints: what the log serves beside its own signature. */
import { signCheckpoint, type Checkpoint } from './checkpoint.js';
import type { NoteSigner } from './note.js';

/** Sizes whose cosignatures are kept. */
const keptSizes = 16;

export class Cosignatures {
  readonly #lines = new Map<number, Map<string, string>>();

  /** @param line a verified cosignature line, newline included. */
  add(size: number, line: string): void {
    const lines = this.#lines.get(size) ?? new Map<string, string>();
    lines.set(line.split(' ')[1] ?? '', line);
    this.#lines.set(size, lines);
    for (const oldest of [...this.#lines.keys()].sort((a, b) => a - b)) {
      if (this.#lines.size <= keptSizes) break;
      this.#lines.delete(oldest);
    }
  }

  /** Greatest size that some validator cosigned; undefined when none did since the start. */
  get newest(): number | undefined {
    return this.#lines.size === 0 ? undefined : Math.max(...this.#lines.keys());
  }

  /** The checkpoint as a note: the log's signature, then the cosignatures. */
  note(checkpoint: Checkpoint, signer: NoteSigner): string {
    const lines = [...(this.#lines.get(checkpoint.size)?.values() ?? [])];
    return signCheckpoint(checkpoint, [signer]) + lines.join('');
  }
}
