/** Loads R4's definitions and the packages in profiles/ and of the configuration; puts uploaded definitions in force. */
import { readFileSync } from 'node:fs';
import path from 'node:path';
import { systemClock } from '../base/clock.js';
import { parseJson } from '../base/json.js';
import type { Log } from '../base/log.js';
import type { Resource } from '../base/resource.js';
import type { CommittedDraft } from '../commit/draft.js';
import type { Config } from '../config.js';
import type { CanonicalResource } from '../fhir/definitions/types.js';
import { definitionTypes } from '../fhir/packages/compact.js';
import type { Storage } from './storage.js';
import { loadDefinitions } from '../fhir/definitions/definitions.js';
import { ActiveDefinitions } from '../fhir/packages/active-definitions.js';
import { loadPackages } from '../fhir/packages/load-packages.js';
import { ExternalAnswers } from '../fhir/terminology/external.js';
import { HttpTerminology } from '../fhir/terminology/http-terminology.js';
import { coreFolder } from '../fhir/validation/core-facts.js';

/** @throws PackageError for a file that is no R4 package. */
export function loadActiveDefinitions(config: Config, log: Log): ActiveDefinitions {
  const loaded = loadPackages([path.dirname(coreFolder), ...config.fhir.packages], loadDefinitions());
  for (const { name, version, entries } of loaded.packages) {
    const unresolved = loaded.unresolved.filter((text) => text.startsWith(`${name}#${version} `));
    log.write({ event: 'package-loaded', name, version, resources: entries.length, unresolved });
  }
  const { unknownProfile, bestPractice, demandedProfiles, refusedSeverity, terminology } = config.fhir;
  const options = {
    unknownProfile,
    bestPractice,
    checkReferenceTypes: true,
    demanded: demandedProfiles,
    refusedSeverity,
    ...(terminology ? { terminologyServer: terminology.url } : {}),
  };
  return new ActiveDefinitions(loaded, options, terminology && externalAnswers(terminology));
}

/** @throws Error when the file of the token cannot be read. */
function externalAnswers({ url, timeoutMs, tokenFile }: NonNullable<Config['fhir']['terminology']>): ExternalAnswers {
  const token = tokenFile === undefined ? undefined : readFileSync(tokenFile, 'utf8').trim();
  const server = new HttpTerminology({ url, timeoutMs, token });
  return new ExternalAnswers(server, systemClock, { timeoutMs, keepMs: 3_600_000, retryMs: 60_000 });
}

/** Uploads are few; a page holds this many. */
const pageSize = 500;

/** Puts in force what the store holds of uploaded definitions (at start). */
export async function loadUploads(definitions: ActiveDefinitions, storage: Storage): Promise<void> {
  const { catalog, names } = storage;
  const asOf = catalog.head().seq;
  const uploads: CanonicalResource[] = [];
  for (const type of definitionTypes) {
    let after: number | undefined;
    for (;;) {
      const plan = { kind: 'term', term: names.type(type) } as const;
      const rows = await catalog.search({ plan, asOf, order: 'oldest', after, limit: pageSize });
      for (const row of rows) uploads.push(canonical(await storage.records.open(row)));
      if (rows.length < pageSize) break;
      after = rows.at(-1)?.leafIndex;
    }
  }
  definitions.putAll(uploads);
}

/** Takes in what a commit did to uploaded definitions: before its answer leaves. */
export function definitionsAfterCommit(definitions: ActiveDefinitions, storage: Storage) {
  return async (drafts: readonly CommittedDraft[]): Promise<void> => {
    for (const { resourceType, id, versionId, isDeleted, resource } of drafts) {
      if (!definitionTypes.has(resourceType)) continue;
      const before = await previous(storage, resourceType, id, versionId);
      if (before !== undefined && (isDeleted || !isSameDefinition(before, resource))) definitions.remove(before);
      if (!isDeleted && resource !== undefined) definitions.put(resource as CanonicalResource);
    }
  };
}

async function previous(
  { catalog, names, records }: Storage,
  type: string,
  id: string,
  versionId: number,
): Promise<CanonicalResource | undefined> {
  if (versionId === 1) return undefined;
  const row = await catalog.version(names.resource(type, id), versionId - 1);
  return row === undefined || row.isDeleted ? undefined : canonical(await records.open(row));
}

function isSameDefinition(before: CanonicalResource, after: Resource | undefined): boolean {
  return after !== undefined && after.url === before.url && after.version === before.version;
}

function canonical(json: Uint8Array): CanonicalResource {
  return parseJson(Buffer.from(json).toString('utf8')) as unknown as CanonicalResource;
}
