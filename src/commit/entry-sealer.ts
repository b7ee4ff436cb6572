/**
 * From drafts to log entries, in two steps: `prepare` settles time, bytes and keys when the drafts are decided; `finish` seals a whole group.
 */
import type { Term } from '../base/ids.js';
import { mapInSlices, Slices } from '../base/pause.js';
import type { SealedBlock } from '../ipfs/block-store.js';
import { withTerm } from '../vault/blinder.js';
import type { Names } from '../vault/names.js';
import { randomBytes } from '../vault/random.js';
import type { FreshKeys, Vault, WrappedFor } from '../vault/vault.js';
import type { CompartmentKey, Entry, VersionRecord } from './catalog.js';
import type { ContentSealer, ContentToSeal, SealedContent } from './content-sealer.js';
import type { Draft } from './draft.js';
import type { HeaderCodec } from './header.js';
import { sealedReference } from './records.js';

export interface SealerServices {
  readonly vault: Vault;
  readonly names: Names;
  readonly headers: HeaderCodec;
  readonly contents: ContentSealer;
}

/** A version with everything but its block and its leaf. */
export interface PreparedVersion {
  readonly draft: Draft;
  readonly resource: Term;
  /** The same as latin1 text. */
  readonly name: string;
  readonly terms: Uint8Array;
  /** The data key, wrapped for each compartment. */
  readonly keyWraps: readonly WrappedFor[];
  readonly content: ContentToSeal;
}

export interface PreparedEntry {
  readonly seq: number;
  /** `lastUpdated` of all versions, milliseconds since 1970. */
  readonly time: number;
  readonly versions: readonly PreparedVersion[];
  readonly newKeys: readonly CompartmentKey[];
}

export interface SealedEntries {
  readonly entries: readonly Entry[];
  readonly blocks: readonly SealedBlock[];
}

const nothing = new Uint8Array(0);

export class EntrySealer {
  constructor(private readonly services: SealerServices) {}

  /**
   * @param time `lastUpdated` of all versions, milliseconds since 1970.
   * @param fresh takes the compartment keys that have to be made.
   */
  async prepare(seq: number, time: number, drafts: readonly Draft[], fresh: FreshKeys): Promise<PreparedEntry> {
    const versions: PreparedVersion[] = [];
    const slices = new Slices();
    for (const draft of drafts) {
      versions.push(await this.prepareVersion(draft, time, fresh));
      await slices.turn();
    }
    return { seq, time, versions, newKeys: fresh.records() };
  }

  /** Seals what was prepared; the data keys are wiped. */
  async finish(prepared: readonly PreparedEntry[], slices = new Slices()): Promise<SealedEntries> {
    const contents = prepared.flatMap(({ versions }) => versions.map(({ content }) => content));
    const sealed = await this.services.contents.seal(contents).finally(() => {
      for (const { dataKey } of contents) dataKey?.fill(0);
    });
    let next = 0;
    const entries: Entry[] = [];
    for (const { seq, time, versions, newKeys } of prepared) {
      const records = await mapInSlices(versions, (version) => this.record(version, sealed[next++]!), slices);
      entries.push({ seq, time, versions: records, newKeys });
    }
    return { entries, blocks: sealed.flatMap(({ blocks }) => blocks) };
  }

  private async prepareVersion(draft: Draft, lastUpdated: number, fresh: FreshKeys): Promise<PreparedVersion> {
    const { vault, names } = this.services;
    const { resourceType, id, versionId, isDeleted, level, receiptDigest, leafContext, resource } = draft;
    const terms = typeof draft.terms === 'function' ? draft.terms(lastUpdated) : draft.terms;
    const compartments =
      draft.patients.length === 0 ? [names.server] : draft.patients.map((patient) => names.compartment(patient));
    const resourceName = names.resource(resourceType, id);
    const wrapped = isDeleted ? undefined : await vault.newDataKey(compartments, fresh);
    return {
      draft,
      resource: resourceName,
      name: nameOf(resourceName),
      terms: withTerm(terms, names.type(resourceType)),
      keyWraps: wrapped?.keyWraps ?? [],
      content: {
        reference: `${resourceType}/${id}/_history/${versionId}`,
        sealedReference: sealedReference(draft),
        resourceType,
        id,
        versionId,
        lastUpdated,
        isDeleted,
        level,
        salt: randomBytes(16),
        json: isDeleted ? nothing : draft.render(lastUpdated),
        ...(wrapped === undefined ? {} : { dataKey: wrapped.dataKey }),
        ...(receiptDigest === undefined ? {} : { receiptDigest }),
        ...(leafContext === undefined ? {} : { leafContext }),
        ...(resource === undefined ? {} : { resource }),
      },
    };
  }

  private record({ draft, resource, terms, keyWraps, content }: PreparedVersion, sealed: SealedContent): VersionRecord {
    const { versionId, isDeleted, links } = draft;
    const { lastUpdated } = content;
    const { block, leaf, opening } = sealed;
    return {
      resource,
      versionId,
      isDeleted,
      lastUpdated,
      ...(block === undefined ? {} : { block }),
      keyWraps,
      header: this.services.headers.seal(resource, { ...headerOf(draft), lastUpdated, leafOpening: opening }),
      leaf,
      terms,
      links,
    };
  }
}

export function nameOf(resource: Term): string {
  return Buffer.from(resource.buffer, resource.byteOffset, resource.byteLength).toString('latin1');
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
