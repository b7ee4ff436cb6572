/** The whole store below the FHIR door, on a folder: what committer tests and fault tests run against. */
import path from 'node:path';
import { sha256 } from '../../src/base/bytes.js';
import type { Clock } from '../../src/base/clock.js';
import type { Catalog, VersionRow } from '../../src/commit/catalog.js';
import { LocalContentSealer } from '../../src/commit/content-sealer.js';
import { Committer, type CommittedEntry } from '../../src/commit/committer.js';
import type { Committed, Draft } from '../../src/commit/draft.js';
import { HeaderCodec } from '../../src/commit/header.js';
import { Records } from '../../src/commit/records.js';
import { openSqliteCatalog } from '../../src/commit/sqlite/sqlite-catalog.js';
import type { BlockStore } from '../../src/ipfs/block-store.js';
import { openLocalBlockStore } from '../../src/ipfs/local-block-store.js';
import { Blinder, packTerms } from '../../src/vault/blinder.js';
import { openKeyRing } from '../../src/vault/file-key-ring.js';
import { Names } from '../../src/vault/names.js';
import { Vault } from '../../src/vault/vault.js';

export interface Store {
  readonly catalog: Catalog;
  readonly blocks: BlockStore;
  readonly committer: Committer;
  readonly records: Records;
  readonly vault: Vault;
  readonly blinder: Blinder;
  readonly names: Names;
  close(): Promise<void>;
}

export interface StoreOptions {
  readonly clock?: Clock;
  readonly onCommit?: (entry: CommittedEntry) => void;
  /** In place of a local block store in the folder: a store that several processes share. Not closed. */
  readonly sharedBlocks?: BlockStore;
  /** In place of a catalog in the folder: one that several committers share. Not closed. */
  readonly sharedCatalog?: Catalog;
  /** Puts something between the committer and the real port. */
  readonly blocksBehind?: (real: BlockStore) => BlockStore;
  readonly catalogBehind?: (real: Catalog) => Catalog;
}

export async function openStore(folder: string, options: StoreOptions = {}): Promise<Store> {
  const keyRing = await openKeyRing(path.join(folder, 'keys.json'));
  const [realCatalog, realBlocks] = await Promise.all([
    options.sharedCatalog ?? openSqliteCatalog(path.join(folder, 'catalog.sqlite')),
    options.sharedBlocks ?? openLocalBlockStore(path.join(folder, 'blocks')),
  ]);
  const catalog = options.catalogBehind?.(realCatalog) ?? realCatalog;
  const blocks = options.blocksBehind?.(realBlocks) ?? realBlocks;
  const blinder = new Blinder(keyRing.derive('index'));
  const names = new Names(blinder);
  const vault = new Vault({ keyRing, storedKey: (compartment) => catalog.compartmentKey(compartment) });
  const headers = new HeaderCodec(keyRing.derive('header'));
  const committer = new Committer({
    catalog,
    blocks,
    vault,
    names,
    headers,
    clock: options.clock ?? { now: () => Date.now() },
    contents: new LocalContentSealer(({ reference, salt }) => ({
      leaf: sha256(Buffer.from(reference), salt),
      opening: salt,
    })),
    ...(options.onCommit === undefined ? {} : { onCommit: options.onCommit }),
  });
  const close = async () => {
    await committer.close();
    if (options.sharedCatalog === undefined) await realCatalog.close();
    if (options.sharedBlocks === undefined) await realBlocks.close();
  };
  const records = new Records({ blocks, vault, headers });
  return { catalog, blocks, committer, records, vault, blinder, names, close };
}

/** A version of `reference` (`Type/id`) whose text is `text`; found under the term `text`. */
export function draftOf(store: Store, reference: string, versionId: number, text = ''): Draft {
  const [resourceType, id] = reference.split('/') as [string, string];
  const patients = resourceType === 'Patient' ? [id] : ['p'];
  return {
    resourceType,
    id,
    versionId,
    isDeleted: false,
    render: (lastUpdated) => Buffer.from(JSON.stringify({ resourceType, id, meta: { versionId, lastUpdated }, text })),
    terms: packTerms([store.blinder.term(`text\u0000${text}`)]),
    links: [{ param: store.blinder.term('subject'), target: store.names.resource('Patient', 'p') }],
    patients,
    attributes: { resourceType, id, patients, securityLabels: [], codes: [] },
    level: 1,
  };
}

export function deletionOf(store: Store, reference: string, versionId: number): Draft {
  const { render, ...draft } = draftOf(store, reference, versionId);
  return { ...draft, render, isDeleted: true, terms: new Uint8Array(0), links: [], patients: [] };
}

/** Commits drafts as one entry, whatever the state. */
export function commit(store: Store, ...drafts: Draft[]): Promise<Committed> {
  return store.committer.submit(() => ({ drafts, result: (committed) => committed }));
}

/** Writes the next version of `reference`, whatever it is. */
export function save(store: Store, reference: string, text: string): Promise<Committed> {
  const [resourceType, id] = reference.split('/') as [string, string];
  return store.committer.submit(async (state) => {
    const current = await state.current(store.names.resource(resourceType, id));
    return {
      drafts: [draftOf(store, reference, (current?.versionId ?? 0) + 1, text)],
      result: (committed) => committed,
    };
  });
}

export async function textOf(store: Store, row: VersionRow): Promise<string> {
  return (JSON.parse(Buffer.from(await store.records.open(row)).toString()) as { text: string }).text;
}

export function currentOf(store: Store, reference: string): Promise<VersionRow | undefined> {
  const [resourceType, id] = reference.split('/') as [string, string];
  return Promise.resolve(store.catalog.current(store.names.resource(resourceType, id), store.catalog.head().seq));
}
