/**
 * The definitions in force, and what every write takes from them at one moment: validator, receipts, leaf context.
 *
 * A new set of definitions (an upload) comes in force when its ProfileSet is ratified on the chain and its leaf context is durable; until then
 * writes go on under the old one. Receipt and leaf of a version always name the same ProfileSet.
 */
import { fromHex } from '../base/bytes.js';
import type { Issue } from '../base/outcome.js';
import type { Resource } from '../base/resource.js';
import type { Catalog } from '../commit/catalog.js';
import { openLeafContext } from '../anchoring/leaf-context.js';
import type { LeafContext } from '../anchoring/leaf.js';
import type { ActiveDefinitions, Snapshot } from '../fhir/packages/active-definitions.js';

export class InForce {
  private constructor(
    private readonly catalog: Pick<Catalog, 'getState' | 'putState'>,
    private readonly baseUrl: string,
    private readonly ratify: (profileSetDigest: string) => Promise<void>,
    private snapshot: Snapshot,
    private context: LeafContext,
  ) {}

  static async open(
    catalog: Pick<Catalog, 'getState' | 'putState'>,
    baseUrl: string,
    ratify: (profileSetDigest: string) => Promise<void>,
    definitions: ActiveDefinitions,
    onProblem: (error: unknown) => void,
  ): Promise<InForce> {
    const snapshot = definitions.current;
    const inForce = new InForce(catalog, baseUrl, ratify, snapshot, await contextOf(catalog, baseUrl, snapshot));
    let last: Promise<unknown> = Promise.resolve();
    definitions.onChange((next) => {
      // Of many uploads in a row only the newest set has to be ratified.
      last = last.then(() => (next === definitions.current ? inForce.change(next) : undefined)).catch(onProblem);
    });
    return inForce;
  }

  /** Of the leaves that are made from now on. */
  readonly leafContext = () => this.context;

  /** Level and receipt digest of a verdict. */
  readonly receiptOf = (resource: Resource, issues: readonly Issue[]) => this.snapshot.receipts.of(resource, issues);

  private async change(snapshot: Snapshot): Promise<void> {
    if (snapshot.profileSet.digest === this.snapshot.profileSet.digest) return;
    await this.ratify(snapshot.profileSet.digest);
    const context = await contextOf(this.catalog, this.baseUrl, snapshot);
    this.snapshot = snapshot;
    this.context = context;
  }
}

function contextOf(
  catalog: Pick<Catalog, 'getState' | 'putState'>,
  baseUrl: string,
  { profileSet }: Snapshot,
): Promise<LeafContext> {
  return openLeafContext(catalog, fromHex(profileSet.digest), baseUrl);
}
