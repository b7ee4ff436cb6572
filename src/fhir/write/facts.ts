/**
 * What a write was decided upon: read from a snapshot first, checked again in the committer's procedure.
 *
 * Validating and preparing a write takes long, the procedure must be short. So everything is read and prepared on a snapshot; the procedure
 * only asks whether each fact still holds, and commits or lets the write be prepared anew. That makes If-Match and conditional
 * interactions free of races.
 */
import type { Term } from '../../base/ids.js';
import { Slices } from '../../base/pause.js';
import type { Catalog, VersionRow } from '../../commit/catalog.js';
import type { CommitState } from '../../commit/draft.js';
import type { Plan } from '../search/plan.js';

type Fact =
  | { readonly kind: 'version'; readonly name: Term; readonly leafIndex: number | undefined }
  | { readonly kind: 'exists'; readonly name: Term; readonly exists: boolean }
  | { readonly kind: 'matches'; readonly plan: Plan; readonly limit: number; readonly leafIndexes: readonly number[] };

export class Facts {
  private readonly facts = new Map<string, Fact>();
  readonly asOf: number;

  constructor(private readonly catalog: Pick<Catalog, 'head' | 'current' | 'search'>) {
    this.asOf = catalog.head().seq;
  }

  /** The current version; any newer version makes the fact void. */
  async version(name: Term): Promise<VersionRow | undefined> {
    const row = await this.catalog.current(name, this.asOf);
    this.facts.set(`v${latin1(name)}`, { kind: 'version', name, leafIndex: row?.leafIndex });
    return row;
  }

  /** The current version; newer versions do no harm as long as it is not deleted (or still is not there). */
  async existing(name: Term): Promise<VersionRow | undefined> {
    const row = await this.catalog.current(name, this.asOf);
    this.facts.set(`e${latin1(name)}`, { kind: 'exists', name, exists: row !== undefined && !row.isDeleted });
    return row;
  }

  /** The first `limit` matches, newest first. */
  async matches(key: string, plan: Plan, limit: number): Promise<VersionRow[]> {
    const rows = await this.catalog.search({ plan, asOf: this.asOf, order: 'newest', limit });
    this.facts.set(`m${key}`, { kind: 'matches', plan, limit, leafIndexes: rows.map((row) => row.leafIndex) });
    return rows;
  }

  /** True when every fact is so in `state` too. */
  async hold(state: CommitState): Promise<boolean> {
    const slices = new Slices();
    for (const fact of this.facts.values()) {
      if (!(await holds(fact, state))) return false;
      await slices.turn();
    }
    return true;
  }
}

async function holds(fact: Fact, state: CommitState): Promise<boolean> {
  switch (fact.kind) {
    case 'version':
      return (await state.current(fact.name))?.leafIndex === fact.leafIndex;
    case 'exists': {
      const row = await state.current(fact.name);
      return (row !== undefined && !row.isDeleted) === fact.exists;
    }
    case 'matches': {
      const found = (await state.search(fact.plan, fact.limit)).map((row) => row.leafIndex).sort((a, b) => a - b);
      const known = [...fact.leafIndexes].sort((a, b) => a - b);
      return found.length === known.length && found.every((leafIndex, index) => leafIndex === known[index]);
    }
  }
}

function latin1(name: Term): string {
  return Buffer.from(name.buffer, name.byteOffset, name.byteLength).toString('latin1');
}
