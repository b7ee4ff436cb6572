/**
 * What a validator remembers: the last head that it signed, and whose log that was.
 *
 * Durability: a head is synced to disk before the signature over it exists, so that no crash makes a validator sign a fork. One process a folder.
 */
import { mkdir, open, readFile, rename } from 'node:fs/promises';
import path from 'node:path';
import type { Hex } from '../../chain/chain.js';

export interface SignedHead {
  readonly size: number;
  readonly root: Hex;
}

interface StateFile {
  /** Pinned with the first statement. */
  readonly origin?: string;
  readonly last?: SignedHead;
  /** Public key of the log, c2sp.org/signed-note form: pinned when it was first asked for. */
  readonly logKey?: string;
}

export class ValidatorState {
  private constructor(
    private readonly file: string,
    private state: StateFile,
  ) {}

  /** @throws SyntaxError when the file is damaged: a validator without memory must not go on by itself. */
  static async open(folder: string): Promise<ValidatorState> {
    await mkdir(folder, { recursive: true, mode: 0o700 });
    const file = path.join(folder, 'last-head.json');
    const text = await readFile(file, 'utf8').catch((error: NodeJS.ErrnoException) => {
      if (error.code === 'ENOENT') return '{}';
      throw error;
    });
    return new ValidatorState(file, JSON.parse(text) as StateFile);
  }

  get last(): SignedHead | undefined {
    return this.state.last;
  }

  get origin(): string | undefined {
    return this.state.origin;
  }

  get logKey(): string | undefined {
    return this.state.logKey;
  }

  pinLogKey(logKey: string): Promise<void> {
    return this.write({ ...this.state, logKey });
  }

  /** Durable when it resolves. Heads only grow. */
  remember(origin: string, head: SignedHead): Promise<void> {
    const last = this.state.last !== undefined && this.state.last.size >= head.size ? this.state.last : head;
    return this.write({ ...this.state, origin, last });
  }

  private async write(next: StateFile): Promise<void> {
    if (JSON.stringify(next) === JSON.stringify(this.state)) return;
    const handle = await open(`${this.file}.new`, 'w', 0o600);
    try {
      await handle.writeFile(JSON.stringify(next));
      await handle.sync();
    } finally {
      await handle.close();
    }
    await rename(`${this.file}.new`, this.file);
    const folder = await open(path.dirname(this.file), 'r');
    await folder.sync().finally(() => folder.close());
    this.state = next;
  }
}
