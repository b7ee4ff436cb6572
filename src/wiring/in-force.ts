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
import type { Names } from '../vault/names.js';

type InForceCatalog = Pick<Catalog, 'getState' | 'putState' | 'version'>;

export class InForce {
  private constructor(
    private readonly catalog: InForceCatalog,
    private readonly baseUrl: string,
    private readonly ratify: (profileSetDigest: string) => Promise<void>,
    private readonly definitions: ActiveDefinitions,
    private readonly names: Pick<Names, 'resource'>,
    private snapshot: Snapshot,
    private context: LeafContext,
  ) {}

  static async open(
    catalog: InForceCatalog,
    baseUrl: string,
    ratify: (profileSetDigest: string) => Promise<void>,
    definitions: ActiveDefinitions,
    names: Pick<Names, 'resource'>,
    onProblem: (error: unknown) => void,
  ): Promise<InForce> {
    const snapshot = definitions.current;
    await keepProfileSet(catalog, names, snapshot);
    const context = await contextOf(catalog, baseUrl, snapshot);
    const inForce = new InForce(catalog, baseUrl, ratify, definitions, names, snapshot, context);
    let last: Promise<unknown> = Promise.resolve();
    definitions.onChange((next) => {
      // Of many uploads in a row only the newest set has to be ratified.
      last = last.then(() => (next === definitions.current ? inForce.change(next) : undefined)).catch(onProblem);
    });
    return inForce;
  }

  /** Of the leaves that are made from now on. */
  readonly leafContext = () => this.context;

  /**
   * Level and receipt digest of a verdict. While a new set of definitions waits to be ratified, writes are judged by it and recorded under the one
   * that is in force: the receipt says what that one says, as every validator will find.
   */
  readonly receiptOf = (resource: Resource, issues: readonly Issue[]) => {
    const { snapshot } = this;
    const isJudgedByIt = snapshot === this.definitions.current;
    const receipt = snapshot.receipts.of(resource, isJudgedByIt ? issues : snapshot.validator.validate(resource));
    return { ...receipt, leafContext: this.context };
  };

  private async change(snapshot: Snapshot): Promise<void> {
    if (snapshot.profileSet.digest === this.snapshot.profileSet.digest) {
      this.snapshot = snapshot;
      return;
    }
    await this.ratify(snapshot.profileSet.digest);
    await keepProfileSet(this.catalog, this.names, snapshot);
    const context = await contextOf(this.catalog, this.baseUrl, snapshot);
    this.snapshot = snapshot;
    this.context = context;
  }
}

/** What is kept of each ProfileSet that was in force: for validators, who make it again, and for whoever reads an old leaf. */
interface KeptProfileSet {
  /** Canonical JSON. */
  readonly manifest: string;
  /** Leaves of the uploaded definitions. */
  readonly uploads: readonly number[];
}

export async function findProfileSet(
  catalog: Pick<Catalog, 'getState'>,
  digest: string,
): Promise<KeptProfileSet | undefined> {
  const bytes = await catalog.getState(`profile-set/${digest}`);
  return bytes && (JSON.parse(Buffer.from(bytes).toString('utf8')) as KeptProfileSet);
}

async function keepProfileSet(
  catalog: InForceCatalog,
  names: Pick<Names, 'resource'>,
  { profileSet, uploads }: Snapshot,
): Promise<void> {
  if ((await findProfileSet(catalog, profileSet.digest)) !== undefined) return;
  const leaves: number[] = [];
  for (const { resourceType, id, meta } of uploads as readonly Resource[]) {
    const row = await catalog.version(names.resource(resourceType, String(id)), Number(meta?.versionId));
    if (row !== undefined) leaves.push(row.leafIndex);
  }
  const kept: KeptProfileSet = { manifest: profileSet.text, uploads: leaves };
  await catalog.putState(`profile-set/${profileSet.digest}`, Buffer.from(JSON.stringify(kept), 'utf8'));
}

function contextOf(
  catalog: Pick<Catalog, 'getState' | 'putState'>,
  baseUrl: string,
  { profileSet }: Snapshot,
): Promise<LeafContext> {
  return openLeafContext(catalog, fromHex(profileSet.digest), baseUrl);
}
