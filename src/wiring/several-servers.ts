/** What servers that share one log tell each other through it: definitions, memberships, consents under way, who anchors. */
import { parseJson } from '../base/json.js';
import type { Resource } from '../base/resource.js';
import type { Draft } from '../commit/draft.js';
import { definitionTypes } from '../fhir/packages/compact.js';
import type { Consent } from './consent.js';
import type { Storage } from './storage.js';

export interface SeveralServersParts {
  readonly storage: Storage;
  readonly consent: Consent;
  /** What a commit of this server's own is told to, before its answer leaves. */
  readonly afterCommit: (drafts: readonly Draft[]) => Promise<void>;
  /** The log has grown. */
  readonly notify: () => void;
  readonly onProblem: (error: unknown) => void;
}

/** How long the server that committed a Consent has to tell the chain, before the others look whether it has. */
const consentGraceMs = 30_000;

/**
 * Makes this server follow the others.
 * @returns what to await before a request is answered; undefined where this server is alone.
 */
export function followOthers(parts: SeveralServersParts): (() => Promise<void>) | undefined {
  const { storage, consent, afterCommit, notify, onProblem } = parts;
  const { catalog, headers } = storage;
  if (catalog.refresh === undefined || catalog.follow === undefined) return undefined;
  catalog.follow(async (rows) => {
    const committed = rows.map((row) => ({ row, header: headers.open(row.resource, row.versionId, row.header) }));
    const drafts = await Promise.all(
      committed.map(async ({ row, header }) => {
        const isOpened = definitionTypes.has(header.resourceType) && !row.isDeleted;
        return { ...header, ...(isOpened ? { resource: await opened(storage, row) } : {}) };
      }),
    );
    await afterCommit(drafts as unknown as Draft[]).catch(onProblem);
    notify();
    const patients = committed
      .filter(({ header }) => header.resourceType === 'Consent')
      .flatMap(({ header }) => header.attributes.patients);
    // Done already, as a rule. If the other server died between the commit and the chain, this one files what is missing.
    const look = () =>
      void Promise.all(patients.map((patient) => consent.publisher.reconcile(patient))).catch(onProblem);
    if (patients.length > 0) setTimeout(look, consentGraceMs).unref();
  });
  const refreshCatalog = catalog.refresh.bind(catalog);
  return async () => {
    await Promise.all([refreshCatalog(), consent.publisher.refresh()]);
  };
}

async function opened({ records }: Storage, row: Parameters<Storage['records']['open']>[0]): Promise<Resource> {
  return parseJson(Buffer.from(await records.open(row)).toString('utf8')) as unknown as Resource;
}
