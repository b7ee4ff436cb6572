/** The index against the plain evaluator, on random searches over Synthea's patients. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Resource } from '../../../src/base/resource.js';
import { matches } from '../../../src/fhir/search/matches.js';
import { FhirError } from '../../../src/base/outcome.js';
import type { SearchContext } from '../../../src/fhir/search/context.js';
import { parseSearch, type SearchQuery } from '../../../src/fhir/search/query.js';
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

test('2,000 random searches find by blind terms exactly what the plain evaluator finds on the opened resources', async () => {
  const context = testContext();
  const corpus = readCorpus(3);
  const resources = [...corpus, listOf(corpus)];
  const index = new MemoryIndex(context, resources);
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
    const expected = resources
      .filter((resource) => query.conditions.some((condition) => matches(context, resource, condition, around)))
      .map((resource) => `${resource.resourceType}/${resource.id}`)
      .sort();
    if (expected.length > 0) findsSomething += 1;
    if (found.join() !== expected.join())
      wrong.push(`${textOf(asked)}: found ${textOfNames(found, expected)}, expected ${textOfNames(expected, found)}`);
  }
  assert.deepEqual(wrong, [], `seed ${seed}`);
  assert.ok(refused < queries / 100, `${refused} of ${queries} searches were too costly`);
  assert.ok(findsSomething > queries / 2, `only ${findsSomething} of ${queries} searches find anything`);
});

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
