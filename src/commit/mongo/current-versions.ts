/** Which version of a resource is current: remembered, or looked up number by number. */
import type { Term } from '../../base/ids.js';
import { Recent } from '../../vault/recent.js';
import type { Head, VersionRow } from '../catalog.js';
import { nameText, rowOf, versionId, type VersionDocument } from './documents.js';
import { rowFields } from './search.js';
import { guarded, type MongoStore } from './store.js';

/** A version that was current when `epoch` was in force. */
interface Remembered {
  readonly row: VersionRow;
  readonly epoch: number;
}

export class CurrentVersions {
  /** Grows when what is remembered may be so no longer. */
  private epoch = 0;
  private readonly recent = new Recent<string, Remembered>(10_000);

  constructor(
    private readonly store: MongoStore,
    private readonly head: () => Head,
  ) {}

  /** The version that is current after entry `asOf`, also when it is a deletion. */
  async get(resource: Term, asOf: number): Promise<VersionRow | undefined> {
    const name = nameText(resource);
    const known = this.recent.get(name);
    if (known !== undefined && known.epoch === this.epoch && known.row.seq <= asOf) return known.row;
    const { epoch } = this;
    const newest = this.head();
    const row = await this.find(name, asOf, known?.row.versionId ?? 1);
    if (row !== undefined && asOf >= newest.seq && newest === this.head()) this.recent.set(name, { row, epoch });
    return row;
  }

  forget(resource: Term): void {
    this.recent.delete(nameText(resource));
  }

  forgetAll(): void {
    this.epoch += 1;
  }

  /** By its name and number; what the index keeps of it for an answer. */
  document(name: string, number: number): Promise<VersionDocument | undefined> {
    const _id = versionId(name, number);
    return guarded(async () => (await this.store.version.findOne({ _id }, { projection: rowFields })) ?? undefined);
  }

  /** The newest version known at `asOf`: with doubling steps, from a number that may exist. */
  private async find(name: string, asOf: number, hint: number): Promise<VersionRow | undefined> {
    let known: VersionDocument | undefined;
    let number = Math.max(1, hint);
    let step = 1;
    for (;;) {
      const [here, next] = await Promise.all([this.document(name, number), this.document(name, number + step)]);
      if (next !== undefined && isVisible(next, asOf)) {
        known = next;
        number += step;
        step *= 2;
      } else if (step > 1) step = 1;
      else {
        known = here;
        break;
      }
    }
    while (number > 1 && (known === undefined || known.l < 0 || !isVisible(known, asOf))) {
      number -= 1;
      known = await this.document(name, number);
    }
    return known === undefined || known.l < 0 || !isVisible(known, asOf) ? undefined : rowOf(known);
  }
}

function isVisible({ s }: VersionDocument, asOf: number): boolean {
  return s <= asOf;
}
