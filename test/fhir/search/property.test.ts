/** The index against the plain evaluator, on random searches over Synthea's patients. */
import assert from 'node:assert/strict';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { test, type TestContext } from 'node:test';
import { sha256 } from '../../../src/base/bytes.js';
import type { Resource } from '../../../src/base/resource.js';
import { matches } from '../../../src/fhir/search/matches.js';
import { FhirError } from '../../../src/base/outcome.js';
import type { Catalog, Entry, VersionRecord } from '../../../src/commit/catalog.js';
import { openSqliteCatalog } from '../../../src/commit/sqlite/sqlite-catalog.js';
import { resourceName } from '../../../src/fhir/search/blind.js';
import type { Plan } from '../../../src/fhir/search/plan.js';
import type { SearchContext } from '../../../src/fhir/search/context.js';
import { parseSearch, settle, type SearchQuery } from '../../../src/fhir/search/query.js';
import { readCorpus } from './corpus.js';
import { MemoryIndex, surroundingsOf, testContext } from './memory-index.js';
import { QueryMaker, randomFrom, type RandomQuery } from './random-query.js';

const queries = 2000;
const seed = Number(process.env.SEARCH_SEED ?? 20240601);

/** A List, so that `_list` finds something. */
function listOf(resources: readonly Resource[]): Resource {
  const items = resources
    .filter((_, index) => index % 7 === 0)
    .map(({ resourceType, id }) => ({ item: { reference: `${resourceType}/${id}` } }));
  return {
    resourceType: 'List',
    id: 'l1',
    status: 'current',
    mode: 'working',
    entry: items,
    meta: { lastUpdated: '2024-01-01T00:00:00Z' },
  };
}

test('2,000 random searches find, in memory and in SQLite, exactly what the plain evaluator finds on the opened resources', async (t) => {
  const context = testContext();
  const corpus = readCorpus(2);
  const resources = [listOf(corpus), ...corpus];
  const index = new MemoryIndex(context, resources);
  const catalog = await catalogOf(t, index);
  const around = surroundingsOf(context, resources);
  const maker = new QueryMaker(context, resources, randomFrom(seed));
  let findsSomething = 0;
  let refused = 0;
  const wrong: string[] = [];
  for (let number = 0; number < queries; number += 1) {
    const asked = maker.query();
    const query = parsed(context, asked);
    if (!query) {
      refused += 1;
      continue;
    }
    const found = await index.search(query).catch((error: Error) => [error.message]);
    const stored = await searchCatalog(catalog, index, query);
    const expected = resources
      .filter((resource) => query.conditions.some((condition) => matches(context, resource, condition, around)))
      .map((resource) => `${resource.resourceType}/${resource.id}`)
      .sort();
    if (expected.length > 0) findsSomething += 1;
    for (const [where, names] of [
      ['index', found],
      ['catalog', stored],
    ] as const) {
      if (names.join() === expected.join()) continue;
      wrong.push(
        `${textOf(asked)}: ${where} ${textOfNames(names, expected)}, expected ${textOfNames(expected, names)}`,
      );
    }
  }
  assert.deepEqual(wrong, [], `seed ${seed}`);
  assert.ok(refused < queries / 100, `${refused} of ${queries} searches were too costly`);
  assert.ok(findsSomething > queries / 2, `only ${findsSomething} of ${queries} searches find anything`);
});

/** A catalog on disk with one entry for each resource. */
async function catalogOf(t: TestContext, { rows, context }: MemoryIndex): Promise<Catalog> {
  const folder = await mkdtemp(path.join(tmpdir(), 'mooring-search-'));
  const catalog = await openSqliteCatalog(path.join(folder, 'catalog.sqlite'));
  t.after(async () => {
    await catalog.close();
    await rm(folder, { recursive: true });
  });
  const entries = rows.map(({ resource, extracted, updated }, index): Entry => {
    const name = `${resource.resourceType}/${resource.id}`;
    const digest = sha256(Buffer.from(name));
    const version: VersionRecord = {
      resource: resourceName(context.blinder, resource.resourceType, resource.id ?? ''),
      versionId: 1,
      isDeleted: false,
      lastUpdated: updated,
      block: digest,
      keyWraps: [],
      header: Buffer.from(name),
      leaf: digest,
      terms: extracted.terms,
      links: extracted.links,
    };
    return { seq: index + 1, time: updated, versions: [version], newKeys: [] };
  });
  await catalog.append(entries);
  return catalog;
}

/** As a server searches: settle, search, open, check. Here the header is the name of the resource. */
async function searchCatalog(catalog: Catalog, index: MemoryIndex, query: SearchQuery): Promise<string[]> {
  const asOf = catalog.head().seq;
  const find = async (plan: Plan, recheck?: (resource: Resource) => boolean) => {
    const rows = await catalog.search({ plan, asOf, order: 'newest', limit: 100_000 });
    return rows.filter(({ header }) => recheck?.(index.resource(Buffer.from(header).toString())) ?? true);
  };
  const settled = await settle(query, async (plan, recheck) =>
    (await find(plan, recheck)).map(({ resource }) => resource),
  );
  return (await find(settled.plan, settled.recheck)).map(({ header }) => Buffer.from(header).toString()).sort();
}

/** undefined: refused as too costly, such as a chain through references to any type. */
function parsed(context: SearchContext, { type, params }: RandomQuery): SearchQuery | undefined {
  try {
    return parseSearch(context, type, params, 'strict');
  } catch (error) {
    if (error instanceof FhirError && error.issues.every(({ code }) => code === 'too-costly')) return undefined;
    throw error;
  }
}

function textOf({ type, params }: RandomQuery): string {
  return `${type}?${params.map(([name, value]) => `${name}=${value}`).join('&')}`;
}

/** How many, and one that only this side has. */
function textOfNames(names: readonly string[], others: readonly string[]): string {
  return `${names.length} (${names.find((name) => !others.includes(name)) ?? ''})`;
}
