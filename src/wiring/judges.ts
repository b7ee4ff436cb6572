/** A validator's own copies of ProfileSets: from the packages of its own configuration, and the uploaded definitions that a briefing names. */
import { fromHex } from '../base/bytes.js';
import type { Resource } from '../base/resource.js';
import type { Log } from '../base/log.js';
import type { Hex } from '../chain/chain.js';
import type { Briefing } from '../anchoring/validator-node/briefing.js';
import { openDefinitions, type Blocks, type Judge, type Judgement } from '../anchoring/validator-node/examine.js';
import type { Config } from '../config.js';
import type { CanonicalResource } from '../fhir/definitions/types.js';
import type { ActiveDefinitions } from '../fhir/packages/active-definitions.js';
import { loadActiveDefinitions } from './definitions.js';

/** A second opinion on a content: true when the other engine finds no error. */
export type SecondEngine = (resource: Resource, profiles: readonly string[]) => Promise<boolean>;

/** Sets with uploads that are kept at the same time. */
const keptSets = 2;

export class Judges {
  readonly #base: Judge;
  readonly #withUploads = new Map<string, Judge>();

  constructor(
    private readonly config: Config,
    private readonly blocks: Blocks,
    private readonly log: Log,
    private readonly engine?: SecondEngine,
  ) {
    this.#base = this.#judgeBy(loadActiveDefinitions(config, log));
  }

  /** Digest of its own ProfileSet, without uploads. */
  get profileSet(): Uint8Array {
    return this.#base.profileSet;
  }

  /** The judge under exactly this ProfileSet; undefined when its own packages and the named uploads give another digest. */
  async under(profileSet: Hex, briefing: Briefing): Promise<Judge | undefined> {
    const wanted = profileSet.slice(2);
    if (Buffer.from(this.#base.profileSet).toString('hex') === wanted) return this.#base;
    const known = this.#withUploads.get(wanted);
    if (known !== undefined || briefing.definitions.length === 0) return known;
    const definitions = loadActiveDefinitions(this.config, this.log);
    definitions.putAll((await openDefinitions(briefing, this.blocks)) as unknown as CanonicalResource[]);
    if (definitions.current.profileSet.digest !== wanted) return undefined;
    const judge = this.#judgeBy(definitions);
    this.#withUploads.set(wanted, judge);
    for (const oldest of this.#withUploads.keys()) {
      if (this.#withUploads.size <= keptSets) break;
      this.#withUploads.delete(oldest);
    }
    return judge;
  }

  #judgeBy(definitions: ActiveDefinitions): Judge {
    const { engine } = this;
    const { receipts, profileSet } = definitions.current;
    const { validator } = definitions;
    return {
      profileSet: fromHex(profileSet.digest),
      async judge(resource): Promise<Judgement> {
        const issues = validator.settle ? await validator.settle(resource) : validator.validate(resource);
        const isValid = !issues.some(({ severity }) => severity === 'error' || severity === 'fatal');
        const { level, text, receiptDigest } = receipts.of(resource, issues);
        if (engine === undefined || !isValid) return { isValid, level, text, receiptDigest };
        const { profiles } = JSON.parse(text) as { profiles: string[] };
        return { isValid, level, text, receiptDigest, isValidElsewhere: await engine(resource, profiles) };
      },
    };
  }
}
