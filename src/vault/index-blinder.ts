/**
 * The blinder of the search index: under the index key of one generation, and while that key is rotated, of two.
 *
 * Generation 0 is derived from the key ring for `index`, generation n for `index/n`. Names of resources, types and compartments have a key of their own
 * (`names`), which stays.
 */
import type { Term } from '../base/ids.js';
import { Blinder } from './blinder.js';
import type { KeyRing } from './key-ring.js';

/** Which generations of the index key are in use. */
export interface IndexKeys {
  /** Searches ask for terms of this one: every version carries them. */
  readonly searched: number;
  /** Versions that are written carry the terms of these; `searched` is among them. */
  readonly written: readonly number[];
}

export class IndexBlinder {
  private readonly blinders = new Map<number, Blinder>();
  private searching: Blinder;
  /** Grows with every change of `keys`. */
  epoch = 0;

  constructor(
    private readonly keyRing: Pick<KeyRing, 'derive'>,
    private readonly names: Blinder,
    private used: IndexKeys = { searched: 0, written: [0] },
  ) {
    this.searching = this.of(used.searched);
  }

  get keys(): IndexKeys {
    return this.used;
  }

  /** Uses these keys from now on. */
  use(keys: IndexKeys): void {
    if (JSON.stringify(keys) === JSON.stringify(this.used)) return;
    this.used = keys;
    this.searching = this.of(keys.searched);
    this.epoch += 1;
    for (const generation of [...this.blinders.keys()]) {
      if (generation !== keys.searched && !keys.written.includes(generation)) this.blinders.delete(generation);
    }
  }

  /** The blinder of one generation. */
  of(generation: number): Blinder {
    let blinder = this.blinders.get(generation);
    if (blinder === undefined) {
      const purpose = generation === 0 ? 'index' : `index/${generation}`;
      blinder = new Blinder(this.keyRing.derive(purpose), undefined, this.names);
      this.blinders.set(generation, blinder);
    }
    return blinder;
  }

  /** A term to search for. */
  term(text: string): Term {
    return this.searching.term(text);
  }

  /** Terms to search for, packed. */
  pack(texts: Iterable<string>): Uint8Array {
    return this.searching.pack(texts);
  }
}
