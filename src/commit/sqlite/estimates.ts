/** How many versions carry a term, roughly: from the density of its 256 newest postings. Cheap, and remembered. */
import type { Term } from '../../base/ids.js';
import { Recent } from '../../vault/recent.js';
import type { Connection, Parameter } from './connection.js';
import { termKey } from './schema.js';

const sample = 256;

export interface Estimate {
  readonly rows: number;
  /** `rows` is no less than what there is. */
  readonly isBound: boolean;
}

export class Estimates {
  private readonly terms = new Recent<string, Estimate & { readonly leafCount: number }>(20_000);

  constructor(private readonly db: Connection) {}

  /** @param leafCount versions that there are now. */
  ofTerm(term: Term, leafCount: number): Estimate {
    const key = Buffer.from(term.buffer, term.byteOffset, term.byteLength).toString('latin1');
    const known = this.terms.get(key);
    if (known !== undefined && known.leafCount === leafCount) return known;
    // A frequent term stays frequent: its estimate is good until the log has doubled.
    if (known !== undefined && !known.isBound && leafCount < 2 * known.leafCount) return known;
    const estimate = this.sample('SELECT leafIndex FROM term WHERE term = ?', [termKey(term)], leafCount);
    this.terms.set(key, { ...estimate, leafCount });
    return estimate;
  }

  /** Terms were added to, or taken from, versions that were there. */
  forget(): void {
    this.terms.clear();
  }

  /** Of versions with a link under `pid` to `rid`. */
  ofLink(pid: number, rid: number, leafCount: number): Estimate {
    return this.sample('SELECT leafIndex FROM link WHERE target = ? AND pid = ?', [rid, pid], leafCount);
  }

  private sample(postings: string, parameters: readonly Parameter[], leafCount: number): Estimate {
    const [count, lowest] = this.db
      .prepare(`SELECT count(*), min(leafIndex) FROM (${postings} ORDER BY leafIndex DESC LIMIT ${sample})`)
      .get(parameters) as [number, number | null];
    if (count < sample) return { rows: count, isBound: true };
    const span = Math.max(sample, leafCount - (lowest ?? 0));
    return { rows: Math.ceil((sample * leafCount) / span), isBound: false };
  }
}
