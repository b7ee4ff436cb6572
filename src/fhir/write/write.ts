/**
 * Writes operations, all or none: prepared on a snapshot, committed only if what they were decided upon still holds.
 */
import { fhirError } from '../../base/outcome.js';
import { inSlices, mapInSlices } from '../../base/pause.js';
import type { Draft } from '../../commit/draft.js';
import type { Committed } from '../../commit/draft.js';
import type { Context } from '../request.js';
import type { FhirServices } from '../services.js';
import { recordAccess } from '../access-record.js';
import type { SearchParameters } from '../search/parameters.js';
import { Facts } from './facts.js';
import type { WriteOperation, Written } from './operation.js';
import { prepare, type Prepared, type PrepareServices } from './prepare.js';

export type WriteServices = PrepareServices &
  Pick<FhirServices, 'committer' | 'accessLog' | 'clock' | 'anchored' | 'afterCommit'>;

/** How often a write is prepared anew because others changed what it was decided upon. */
const maxAttempts = 200;

/**
 * @param operations in the order in which they take effect; a conditional delete may give several results, in the same place.
 * @throws FhirError with every problem of every operation; 409 `conflict` when others win all attempts.
 */
export async function write(
  services: WriteServices,
  context: Context,
  operations: readonly WriteOperation[],
): Promise<Written[]> {
  for (let attempt = 0; attempt < maxAttempts; attempt += 1) {
    const facts = new Facts(services.catalog);
    const under = { epoch: services.extractor.epoch, parameters: services.search.parameters };
    const prepared = await prepare(services, facts, context, operations);
    const drafts = draftsOf(prepared);
    const recorded = recordWrite(services, context, prepared);
    // Its failure is told below, after what a commit brings with it.
    recorded.catch(() => undefined);
    const committed = await commit(services, facts, drafts, under);
    if (committed !== undefined) await follow(services, drafts);
    await recorded;
    if (committed === undefined) continue;
    await waitForAnchor(services, context, committed);
    return inSlices(written(services, prepared, committed));
  }
  throw fhirError(409, 'conflict', 'Others kept changing what this write depends on; try again.');
}

/** What the terms of a write are made with: the generation of the index key, and the search parameters in force. */
interface IndexedUnder {
  readonly epoch: number | undefined;
  readonly parameters: SearchParameters;
}

function isStill({ extractor, search }: WriteServices, { epoch, parameters }: IndexedUnder): boolean {
  return extractor.epoch === epoch && search.parameters === parameters;
}

/** @returns undefined when a fact no longer holds, or terms are made in another way by now. */
async function commit(
  services: WriteServices,
  facts: Facts,
  drafts: readonly Draft[],
  under: IndexedUnder,
): Promise<Committed | undefined> {
  if (drafts.length === 0) return { seq: facts.asOf, time: 0, versions: [] };
  return services.committer.submit<Committed | undefined>(async (state) =>
    isStill(services, under) && (await facts.hold(state))
      ? { drafts, result: (done) => done }
      : { drafts: [], result: () => undefined },
  );
}

function draftsOf(prepared: readonly Prepared[]): Draft[] {
  return prepared.map(({ draft }) => draft).filter((draft) => draft !== undefined);
}

/** The record of who wrote what is durable before the answer leaves; it is made beside the commit, not after it. */
async function recordWrite(services: WriteServices, context: Context, prepared: readonly Prepared[]): Promise<void> {
  const patients = new Set<string>();
  const entities = await mapInSlices(prepared, ({ target, draft }) => {
    for (const patient of draft?.patients ?? []) patients.add(patient);
    const versionId = draft?.versionId ?? target.current?.versionId;
    return `${target.resourceType}/${target.id}${versionId === undefined ? '' : `/_history/${versionId}`}`;
  });
  await recordAccess(services, context, {
    interaction: prepared.length === 1 ? prepared[0].target.operation.interaction : 'transaction',
    outcome: 'permit',
    entities,
    patients: [...patients],
  });
}

/** What a commit brings with it, also where its answer cannot be given: consents go to the chain, definitions come into force. */
async function follow({ consents, afterCommit }: WriteServices, drafts: readonly Draft[]): Promise<void> {
  for (const { resourceType, id, resource } of drafts) {
    if (resourceType !== 'Consent' || consents === undefined) continue;
    if (resource === undefined) await consents.onConsentRevoked(id);
    else await consents.onConsentWritten(resource);
  }
  if (drafts.length > 0) await afterCommit?.(drafts);
}

async function waitForAnchor({ anchored }: WriteServices, context: Context, { versions }: Committed): Promise<void> {
  const last = versions.at(-1);
  if (context.waitForAnchorMs !== undefined && last !== undefined && anchored !== undefined) {
    await anchored(last.leafIndex, context.waitForAnchorMs);
  }
}

function* written(
  { opened }: WriteServices,
  prepared: readonly Prepared[],
  { versions }: Committed,
): Generator<void, Written[]> {
  const keeps = prepared.length <= mostKept;
  const byName = new Map<string, (typeof versions)[number]>();
  for (const version of versions) {
    byName.set(`${version.resourceType}/${version.id}`, version);
    yield;
  }
  const done: Written[] = [];
  for (const { target, issues, rendered } of prepared) {
    yield;
    const { operation, kind, resourceType, id, current } = target;
    const row = byName.get(`${resourceType}/${id}`)?.row ?? current;
    const text = rendered?.();
    if (keeps && text !== undefined && row !== undefined) opened.put(row, text);
    done.push({ operation, result: results[kind], resourceType, id, row, text, issues });
  }
  return done;
}

/** A larger write is not kept in memory: it would drive out what is read. */
const mostKept = 100;

const results = {
  create: 'created',
  update: 'updated',
  delete: 'deleted',
  matched: 'matched',
  nothing: 'nothing',
} as const;
