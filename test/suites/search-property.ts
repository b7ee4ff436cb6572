/**
 * Random searches over HTTP against the plain evaluator: what a server answers to them is what the evaluator finds on the resources that the same
 * server gives out one by one. For any server: embedded defaults in test/e2e, others in test/engines.
 */
import assert from 'node:assert/strict';
import { parseJson } from '../../src/base/json.js';
import { systemClock } from '../../src/base/clock.js';
import type { Resource } from '../../src/base/resource.js';
import type { SearchContext } from '../../src/fhir/search/context.js';
import { matches, type Surroundings } from '../../src/fhir/search/matches.js';
import { compareSorted, parseSearch } from '../../src/fhir/search/query.js';
import type { TestServer } from '../e2e/server.js';
import { readCorpus } from '../fhir/search/corpus.js';
import { surroundingsOf, testContext } from '../fhir/search/memory-index.js';
import { QueryMaker, randomFrom, type RandomQuery } from '../fhir/search/random-query.js';

type Param = readonly [name: string, value: string];
type Random = () => number;

/** A List, so that `_list` finds something. */
function listOf(resources: readonly Resource[]): Resource {
  const entry = resources
    .filter((_, index) => index % 7 === 0)
    .map(({ resourceType, id }) => ({ item: { reference: `${resourceType}/${id}` } }));
  return { resourceType: 'List', id: 'l1', status: 'current', mode: 'working', entry };
}

/** Puts Synthea's first patients there. The server must create what is PUT, and let references lead nowhere. */
export async function loadSearchCorpus(server: TestServer, patients: number): Promise<void> {
  const corpus = readCorpus(patients);
  const resources = [listOf(corpus), ...corpus];
  for (let at = 0; at < resources.length; at += 400) {
    const entry = resources.slice(at, at + 400).map((resource) => {
      const url = `${resource.resourceType}/${resource.id}`;
      return { resource, request: { method: 'PUT', url } };
    });
    const answer = await server.post('', { resourceType: 'Bundle', type: 'transaction', entry });
    assert.equal(answer.status, 200, answer.text.slice(0, 500));
  }
}

interface Bundle {
  readonly total?: number;
  readonly link: readonly { readonly relation: string; readonly url: string }[];
  readonly entry?: readonly { readonly resource: Resource; readonly search: { readonly mode: string } }[];
}

/** All pages of a search, in order. */
async function pages(server: TestServer, url: string): Promise<Bundle[]> {
  const found: Bundle[] = [];
  for (let next: string | undefined = url; next !== undefined;) {
    const { status, text } = await server.get(next);
    assert.equal(status, 200, `${url}: ${text.slice(0, 500)}`);
    const bundle = parseJson(text) as unknown as Bundle;
    found.push(bundle);
    next = bundle.link.find(({ relation }) => relation === 'next')?.url;
  }
  return found;
}

function entriesOf(bundles: readonly Bundle[], mode: string): Resource[] {
  return bundles
    .flatMap(({ entry = [] }) => entry.filter(({ search }) => search.mode === mode))
    .map(({ resource }) => resource);
}

const nameOf = ({ resourceType, id }: Resource) => `${resourceType}/${id}`;

/** How an answer is asked for beside its conditions. */
interface Shape {
  readonly params: readonly Param[];
  readonly include?: { readonly direction: '_include' | '_revinclude'; readonly type: string; readonly code: string };
  readonly isSorted: boolean;
  readonly isCounted: boolean;
}

/** Sorts, small pages, totals, includes: each now and then. */
function randomShape(context: SearchContext, resources: readonly Resource[], type: string, random: Random): Shape {
  const pick = <Item>(items: readonly Item[]) => items[Math.floor(random() * items.length)];
  const references = (of: string) =>
    [...context.parameters.parametersOf(of).values()].filter(
      (one) => one.type === 'reference' && one.selections.length > 0,
    );
  const sortable = [...context.parameters.parametersOf(type).values()].filter(
    (one) => ['date', 'string', 'token', 'number', 'quantity', 'uri'].includes(one.type) && one.selections.length > 0,
  );
  const roll = random();
  if (roll < 0.15) {
    const by = [pick(sortable).code, pick(['_lastUpdated', '_id'])].map((code) => pick(['', '-']) + code);
    return {
      params: [
        ['_sort', by.join(',')],
        ['_count', pick(['1000', '43'])],
      ],
      isSorted: true,
      isCounted: true,
    };
  }
  if (roll < 0.27) {
    const direction = pick(['_include', '_revinclude'] as const);
    const referring = [...new Set(resources.map(({ resourceType }) => resourceType))].filter((of) =>
      references(of).some(({ targets }) => targets.includes(type)),
    );
    const source = direction === '_include' || referring.length === 0 ? type : pick(referring);
    const fitting = references(source).filter(({ targets }) => direction === '_include' || targets.includes(type));
    const parameter = pick(fitting);
    if (parameter !== undefined) {
      const include = { direction, type: source, code: parameter.code };
      const params: Param[] = [
        [direction, `${source}:${parameter.code}`],
        ['_count', '60'],
      ];
      return { params, include, isSorted: false, isCounted: false };
    }
  }
  if (roll < 0.4)
    return {
      params: [
        ['_count', pick(['7', '50', '211'])],
        ['_elements', 'id'],
      ],
      isSorted: false,
      isCounted: false,
    };
  if (roll < 0.5)
    return {
      params: [
        ['_total', 'accurate'],
        ['_count', pick(['11', '1000'])],
      ],
      isSorted: false,
      isCounted: true,
    };
  return {
    params: [
      ['_count', '1000'],
      ['_elements', 'id'],
    ],
    isSorted: false,
    isCounted: false,
  };
}

/**
 * Asks `count` random questions.
 * @returns what was answered otherwise than the evaluator says, in words; how many found something.
 */
export async function askRandomly(
  server: TestServer,
  count: number,
  seed: number,
): Promise<{ readonly wrong: string[]; readonly findSomething: number; readonly refused: number }> {
  const context = testContext({ baseUrl: server.baseUrl, clock: systemClock });
  const resources = entriesOf(await pages(server, '?_count=1000'), 'match');
  const around = surroundingsOf(context, resources);
  const random = randomFrom(seed);
  const maker = new QueryMaker(context, resources, random);
  const wrong: string[] = [];
  let findSomething = 0;
  let refused = 0;
  for (let number = 0; number < count; number += 1) {
    const asked = maker.query();
    const shape = randomShape(context, resources, asked.type, random);
    const url = urlOf(asked, shape);
    const first = await server.get(url);
    if (first.status === 400 && first.body?.issue?.[0]?.code === 'too-costly') {
      refused += 1;
      continue;
    }
    const query = parseSearch(context, asked.type, [...asked.params, ...shape.params], 'strict');
    const expected = resources.filter((one) =>
      query.conditions.some((condition) => matches(context, one, condition, around)),
    );
    if (expected.length > 0) findSomething += 1;
    const bundles = await pages(server, url);
    const found = entriesOf(bundles, 'match');
    const say = (what: string) => wrong.push(`${decodeURIComponent(url)}: ${what}`);
    compareNames(found, expected, say);
    if (shape.isCounted && bundles[0].total !== expected.length)
      say(`total ${bundles[0].total}, expected ${expected.length}`);
    if (shape.isSorted) {
      const keysOf = (one: Resource) => query.sort.map((criterion) => criterion.keyOf(one));
      const compare = compareSorted(query.sort);
      const at = found.findIndex((one, index) => index > 0 && compare(keysOf(found[index - 1]), keysOf(one)) > 0);
      if (at > 0) say(`${nameOf(found[at])} stands behind ${nameOf(found[at - 1])}`);
    }
    if (shape.include !== undefined) {
      for (const bundle of bundles) compareIncluded(context, resources, around, shape.include, bundle, say);
    }
  }
  return { wrong, findSomething, refused };
}

function urlOf({ type, params }: RandomQuery, shape: Shape): string {
  const all = [...params, ...shape.params];
  return `${type}?${all.map(([name, value]) => `${encodeURIComponent(name)}=${encodeURIComponent(value)}`).join('&')}`;
}

function compareNames(found: readonly Resource[], expected: readonly Resource[], say: (what: string) => void): void {
  const [here, there] = [found.map(nameOf).sort(), expected.map(nameOf).sort()];
  if (here.join() === there.join()) return;
  const onlyHere = here.find((name) => !there.includes(name)) ?? '';
  const onlyThere = there.find((name) => !here.includes(name)) ?? '';
  say(`found ${here.length} (${onlyHere}), expected ${there.length} (${onlyThere})`);
}

/** What a page brings along is what its matches refer to, or what refers to them. */
function compareIncluded(
  context: SearchContext,
  resources: readonly Resource[],
  around: Surroundings,
  { direction, type, code }: NonNullable<Shape['include']>,
  bundle: Bundle,
  say: (what: string) => void,
): void {
  const names = new Set(entriesOf([bundle], 'match').map(nameOf));
  const matched = resources.filter((one) => names.has(nameOf(one)));
  const parameter = context.parameters.get(type, code);
  assert.ok(parameter !== undefined);
  const others = matched.flatMap((one) =>
    direction === '_include' ? around.targets(one, parameter) : around.sources(one, type, parameter),
  );
  const expected = [
    ...new Map(others.filter((one) => !names.has(nameOf(one))).map((one) => [nameOf(one), one])).values(),
  ];
  compareNames(entriesOf([bundle], 'include'), expected, (what) => say(`included: ${what}`));
}
