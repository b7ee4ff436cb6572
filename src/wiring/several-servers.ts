/** What servers that share one log tell each other through it: definitions, memberships, consents under way, keys, erasures, who anchors. */
import { parseJson } from '../base/json.js';
import type { Resource } from '../base/resource.js';
import type { LoggedErasure, News, VersionRow } from '../commit/catalog.js';
import type { CommittedDraft } from '../commit/draft.js';
import { finishErasures } from '../commit/erase.js';
import { indexKeysOf } from '../commit/rotate-index.js';
import { readRotation } from '../commit/rotation.js';
import { definitionTypes } from '../fhir/packages/compact.js';
import { KeyUnavailable } from '../vault/key-ring.js';
import type { Consent } from './consent.js';
import type { Storage } from './storage.js';

export interface SeveralServersParts {
  readonly storage: Storage;
  readonly consent: Consent;
  /** What a commit of this server's own is told to, before its answer leaves. */
  readonly afterCommit: (drafts: readonly CommittedDraft[]) => Promise<void>;
  /** Something was erased: what is remembered of opened contents is dropped. */
  readonly onErased: () => void;
  /** The log has grown. */
  readonly notify: () => void;
  readonly onProblem: (error: unknown) => void;
}

/**
 * Makes this server follow the others.
 * @returns what to await before a request is answered; undefined where this server is alone.
 * @throws KeyUnavailable when the key ring lacks a key that the others use.
 */
export async function followOthers(parts: SeveralServersParts): Promise<(() => Promise<void>) | undefined> {
  const { storage, consent, notify } = parts;
  const { catalog } = storage;
  if (catalog.refresh === undefined || catalog.follow === undefined) return undefined;
  catalog.follow(async ({ rows, erasures }) => {
    // Others announce that keys changed by an entry without versions; after an erasure, keys are to be forgotten.
    if (rows.length === 0) await useKeysInForce(storage);
    if (erasures.length > 0) forget(parts, erasures);
    await tellOf(parts, rows);
    notify();
  });
  // What was announced since the storage was opened.
  await useKeysInForce(storage);
  const refreshCatalog = catalog.refresh.bind(catalog);
  return async () => {
    await Promise.all([refreshCatalog(), consent.publisher.refresh()]);
  };
}

/** Whatever this server appends from now on is made with the keys of now. */
async function useKeysInForce({ catalog, keyRing, vault, blinder }: Storage): Promise<void> {
  await keyRing.reload();
  const rotation = await readRotation(catalog);
  if (rotation?.key === 'master' && keyRing.newest < (rotation.generation ?? 0)) {
    throw new KeyUnavailable(
      `the key ring of this server lacks master key ${rotation.generation}: servers share one ring`,
    );
  }
  vault.forget();
  blinder.use(await indexKeysOf(catalog));
}

/** The other server has told the chain; here, nothing is answered from memory any more. */
function forget({ storage, onErased, onProblem }: SeveralServersParts, erasures: readonly LoggedErasure[]): void {
  for (const { compartments } of erasures) for (const compartment of compartments) storage.vault.forget(compartment);
  onErased();
  // What this server's own nodes keep, and what it remembers of sealed bytes: noise by now, and deleted beside the requests.
  void finishErasures(storage).catch(onProblem);
}

/** Tells this server of what another committed, as of its own commits. */
async function tellOf({ storage, consent, afterCommit, onProblem }: SeveralServersParts, rows: News['rows']) {
  const { headers } = storage;
  const versions = rows.filter(({ isErased }) => isErased !== true);
  const committed = versions.map((row) => ({ row, header: headers.open(row.resource, row.versionId, row.header) }));
  const drafts = await Promise.all(
    committed.map(async ({ row, header }): Promise<CommittedDraft> => {
      const isOpened = definitionTypes.has(header.resourceType) && !row.isDeleted;
      const { patients } = header.attributes;
      return { ...header, patients, ...(isOpened ? { resource: await opened(storage, row) } : {}) };
    }),
  );
  await afterCommit(drafts).catch(onProblem);
  const consents = committed.filter(({ header }) => header.resourceType === 'Consent');
  consent.lateLooks.later(consents.flatMap(({ header }) => header.attributes.patients));
}

async function opened({ records }: Storage, row: VersionRow): Promise<Resource> {
  return parseJson(Buffer.from(await records.open(row)).toString('utf8')) as unknown as Resource;
}
