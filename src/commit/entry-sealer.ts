/** From drafts to a log entry: renders, seals, makes leaves and headers. */
import { setImmediate as nextTurn } from 'node:timers/promises';
import type { SealedBlock } from '../ipfs/block-store.js';
import { withTerm } from '../vault/blinder.js';
import type { Names } from '../vault/names.js';
import { randomBytes } from '../vault/random.js';
import type { FreshKeys, Vault } from '../vault/vault.js';
import type { Entry, VersionRecord } from './catalog.js';
import type { Draft, LeafOf } from './draft.js';
import type { HeaderCodec } from './header.js';
import { sealedReference } from './records.js';

export interface SealerServices {
  readonly vault: Vault;
  readonly names: Names;
  readonly headers: HeaderCodec;
  readonly leafOf: LeafOf;
}

export interface SealedEntry {
  readonly entry: Entry;
  readonly blocks: readonly SealedBlock[];
}

/** The event loop gets its turn at least this often. */
const sliceMs = 15;
const nothing = new Uint8Array(0);

export class EntrySealer {
  private sliceEnd = 0;

  constructor(private readonly services: SealerServices) {}

  /**
   * @param time `lastUpdated` of all versions, milliseconds since 1970.
   * @param fresh takes the compartment keys that have to be made.
   */
  async seal(seq: number, time: number, drafts: readonly Draft[], fresh: FreshKeys): Promise<SealedEntry> {
    const versions: VersionRecord[] = [];
    const blocks: SealedBlock[] = [];
    for (const draft of drafts) {
      await this.pause();
      versions.push(await this.sealDraft(draft, time, fresh, blocks));
    }
    return { entry: { seq, time, versions, newKeys: fresh.records() }, blocks };
  }

  private async sealDraft(
    draft: Draft,
    lastUpdated: number,
    fresh: FreshKeys,
    blocks: SealedBlock[],
  ): Promise<VersionRecord> {
    const { vault, names } = this.services;
    const { resourceType, id, versionId, isDeleted } = draft;
    const json = isDeleted ? nothing : draft.render(lastUpdated);
    const compartments =
      draft.patients.length === 0 ? [names.server] : draft.patients.map((patient) => names.compartment(patient));
    const sealed = isDeleted ? undefined : await vault.seal(sealedReference(draft), json, compartments, fresh);
    if (sealed !== undefined) blocks.push(...sealed.blocks);
    const resource = names.resource(resourceType, id);
    const terms = typeof draft.terms === 'function' ? draft.terms(lastUpdated) : draft.terms;
    const { leaf, opening } = this.leafOf(draft, lastUpdated, json, sealed?.block);
    const header = this.services.headers.seal(resource, { ...headerOf(draft), lastUpdated, leafOpening: opening });
    return {
      resource,
      versionId,
      isDeleted,
      lastUpdated,
      ...(sealed === undefined ? {} : { block: sealed.block }),
      keyWraps: sealed?.keyWraps ?? [],
      header,
      leaf,
      terms: withTerm(terms, names.type(resourceType)),
      links: draft.links,
    };
  }

  private leafOf(draft: Draft, lastUpdated: number, json: Uint8Array, block: Uint8Array | undefined) {
    const { resourceType, id, versionId, isDeleted, level, receiptDigest, resource } = draft;
    return this.services.leafOf({
      reference: `${resourceType}/${id}/_history/${versionId}`,
      resourceType,
      id,
      versionId,
      lastUpdated,
      isDeleted,
      level,
      salt: randomBytes(16),
      json,
      ...(receiptDigest === undefined ? {} : { receiptDigest }),
      ...(resource === undefined ? {} : { resource }),
      ...(block === undefined ? {} : { block }),
    });
  }

  private async pause(): Promise<void> {
    const now = performance.now();
    if (now < this.sliceEnd) return;
    // A first slice after a rest has not used anything up yet.
    if (now < this.sliceEnd + sliceMs) await nextTurn();
    this.sliceEnd = performance.now() + sliceMs;
  }
}

function headerOf({ resourceType, id, versionId, isDeleted, attributes, level, receiptDigest, sortKeys }: Draft) {
  return {
    resourceType,
    id,
    versionId,
    isDeleted,
    attributes,
    level,
    ...(receiptDigest === undefined ? {} : { receiptDigest }),
    ...(sortKeys === undefined ? {} : { sortKeys }),
  };
}
