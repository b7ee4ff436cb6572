/** What every Catalog does; catalog-changes.ts has what it does with amendments, erasures and exports. */
import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { test, type TestContext } from 'node:test';
import { sha256 } from '../../src/base/bytes.js';
import type { Term } from '../../src/base/ids.js';
import { AppendConflict, type Catalog, type Entry, type Link, type VersionRecord } from '../../src/commit/catalog.js';
import type { Plan } from '../../src/fhir/search/plan.js';
import { packTerms } from '../../src/vault/blinder.js';
import { CatalogModel } from './catalog-model.js';
import { plain } from './plain.js';

export interface OpenedCatalog {
  readonly catalog: Catalog;
  reopen(): Promise<Catalog>;
}

/** A 16-byte name for `text`. */
export function name(text: string): Term {
  return sha256(Buffer.from(text)).subarray(0, 16);
}

export interface VersionSketch {
  readonly id: string;
  readonly versionId?: number;
  readonly isDeleted?: boolean;
  readonly time?: number;
  readonly terms?: readonly string[];
  /** `[parameter, target id]`. */
  readonly links?: readonly (readonly [string, string])[];
}

export function version(sketch: VersionSketch): VersionRecord {
  const { id, versionId = 1, isDeleted = false, time = 1_000, terms = [], links = [] } = sketch;
  return {
    resource: name(id),
    versionId,
    isDeleted,
    lastUpdated: time,
    ...(isDeleted ? {} : { block: sha256(Buffer.from(`${id}/${versionId}`)) }),
    keyWraps: isDeleted ? [] : [{ compartment: name('compartment'), wrapped: randomBytes(40) }],
    header: Buffer.from(`header of ${id}/${versionId}`),
    leaf: sha256(Buffer.from(`leaf of ${id}/${versionId}`)),
    terms: packTerms(terms.map(name)),
    links: links.map(([param, target]): Link => ({ param: name(param), target: name(target) })),
  };
}

export function entry(seq: number, sketches: readonly VersionSketch[], time = 1_000 * seq): Entry {
  return { seq, time, versions: sketches.map((sketch) => version({ ...sketch, time })), newKeys: [] };
}

export const term = (text: string): Plan => ({ kind: 'term', term: name(text) });
const and = (...of: Plan[]): Plan => ({ kind: 'and', of });
const or = (...of: Plan[]): Plan => ({ kind: 'or', of });

/** leafIndexes of what a search finds, newest first. */
export async function leavesOf(
  catalog: Catalog,
  plan: Plan,
  asOf = catalog.head().seq,
  limit = 100,
): Promise<number[]> {
  return (await catalog.search({ plan, asOf, order: 'newest', limit })).map(({ leafIndex }) => leafIndex);
}

/** @param rounds random plans that are tried; fewer for engines that have no indexes. */
export function catalogSuite(
  title: string,
  openCatalog: (t: TestContext) => Promise<OpenedCatalog>,
  rounds = 400,
): void {
  test(`${title}: an empty catalog has no head, no versions and finds nothing`, async (t) => {
    const { catalog } = await openCatalog(t);
    assert.deepEqual(catalog.head(), { seq: 0, leafCount: 0, time: 0 });
    assert.equal(await catalog.current(name('a'), 0), undefined);
    assert.deepEqual(await leavesOf(catalog, { kind: 'all' }), []);
    assert.equal(await catalog.count(term('x'), 0), 0);
  });

  test(`${title}: what was appended is found, now and after a restart`, async (t) => {
    const { catalog, reopen } = await openCatalog(t);
    const key = { compartment: name('compartment'), wrapped: randomBytes(44) };
    const one = { ...entry(1, [{ id: 'a', terms: ['x', 'y'], links: [['subject', 'p']] }]), newKeys: [key] };
    await catalog.append([one, entry(2, [{ id: 'b', terms: ['x'] }, { id: 'c' }])]);
    const check = async (opened: Catalog) => {
      assert.deepEqual(opened.head(), { seq: 2, leafCount: 3, time: 2_000 });
      const row = (await opened.current(name('a'), 2))!;
      const { leaf, terms, links, ...expected } = one.versions[0]!;
      assert.ok(terms.byteLength === 32);
      assert.deepEqual(plain(row), plain({ ...expected, leafIndex: 0, seq: 1 }));
      assert.deepEqual(await leavesOf(opened, term('x')), [1, 0]);
      assert.deepEqual(
        (await opened.linksOf([0], [])).map(plain),
        links.map((link) => plain({ leafIndex: 0, ...link })),
      );
      assert.deepEqual(Buffer.from((await opened.leaves(0, 1))!), Buffer.from(leaf));
      assert.deepEqual(Buffer.from((await opened.compartmentKey(name('compartment')))!), key.wrapped);
    };
    await check(catalog);
    await check(await reopen());
  });

  test(`${title}: an entry that does not follow the head is refused and leaves nothing; the next number is taken`, async (t) => {
    const { catalog } = await openCatalog(t);
    await catalog.append([entry(1, [{ id: 'a' }])]);
    await assert.rejects(catalog.append([entry(1, [{ id: 'b' }])]), AppendConflict);
    await assert.rejects(catalog.append([entry(3, [{ id: 'b' }])]), AppendConflict);
    await assert.rejects(catalog.append([entry(2, [{ id: 'b' }]), entry(4, [{ id: 'c' }])]), AppendConflict);
    assert.deepEqual(catalog.head(), { seq: 1, leafCount: 1, time: 1_000 });
    assert.equal(await catalog.current(name('b'), 9), undefined);
    await catalog.append([entry(2, [{ id: 'b' }])]);
    assert.equal((await catalog.current(name('b'), 2))!.leafIndex, 1);
  });

  test(`${title}: every query answers the state after the entry that it names`, async (t) => {
    const { catalog } = await openCatalog(t);
    await catalog.append([
      entry(1, [{ id: 'a', terms: ['red'] }]),
      entry(2, [{ id: 'a', versionId: 2, terms: ['blue'] }]),
      entry(3, [{ id: 'a', versionId: 3, isDeleted: true }]),
      entry(4, [{ id: 'a', versionId: 4, terms: ['red'] }]),
    ]);
    const states = [[], [0], [], [], [3]];
    for (const [asOf, red] of states.entries()) {
      assert.deepEqual(await leavesOf(catalog, term('red'), asOf), red, `red after entry ${asOf}`);
      assert.equal(await catalog.count(term('red'), asOf), red.length);
      assert.equal((await catalog.current(name('a'), asOf))?.versionId, asOf === 0 ? undefined : asOf);
    }
    assert.equal((await catalog.current(name('a'), 3))!.isDeleted, true);
    assert.deepEqual(await leavesOf(catalog, term('blue'), 2), [1]);
    assert.deepEqual(await leavesOf(catalog, term('blue'), 4), []);
    assert.equal((await catalog.version(name('a'), 2))!.leafIndex, 1);
    assert.equal(await catalog.version(name('a'), 5), undefined);
  });

  test(`${title}: pages go on where the last one ended, in both orders, without repetition`, async (t) => {
    const { catalog } = await openCatalog(t);
    const ids = Array.from({ length: 25 }, (_, index) => ({
      id: `r${index}`,
      terms: index % 5 === 0 ? ['x'] : ['x', 'y'],
    }));
    await catalog.append([entry(1, ids)]);
    for (const order of ['newest', 'oldest'] as const) {
      const seen: number[] = [];
      for (let after: number | undefined; ;) {
        const page = await catalog.search({
          plan: and(term('x'), term('y')),
          asOf: 1,
          order,
          limit: 7,
          ...(after === undefined ? {} : { after }),
        });
        seen.push(...page.map(({ leafIndex }) => leafIndex));
        if (page.length < 7) break;
        after = page.at(-1)!.leafIndex;
      }
      const expected = ids.map((_, index) => index).filter((index) => index % 5 !== 0);
      assert.deepEqual(seen, order === 'newest' ? expected.reverse() : expected);
    }
    assert.equal(await catalog.count(term('x'), 1, 10), 10);
    assert.equal(await catalog.count(term('x'), 1), 25);
  });

  test(`${title}: history lists versions newest first: of a resource, a type, everything, since a time, before a place`, async (t) => {
    const { catalog } = await openCatalog(t);
    await catalog.append([
      entry(1, [
        { id: 'a', terms: ['T'] },
        { id: 'b', terms: ['U'] },
      ]),
      entry(2, [{ id: 'a', versionId: 2, terms: ['T'] }]),
      entry(3, [
        { id: 'a', versionId: 3, isDeleted: true, terms: ['T'] },
        { id: 'c', terms: ['T'] },
      ]),
    ]);
    const leaves = async (request: object) =>
      (await catalog.history({ asOf: 3, limit: 10, ...request })).map(({ leafIndex }) => leafIndex);
    assert.deepEqual(await leaves({ resource: name('a') }), [3, 2, 0]);
    assert.deepEqual(await leaves({ type: name('T') }), [4, 3, 2, 0]);
    assert.deepEqual(await leaves({}), [4, 3, 2, 1, 0]);
    assert.deepEqual(await leaves({ since: 2_000 }), [4, 3, 2]);
    assert.deepEqual(await leaves({ resource: name('a'), asOf: 2 }), [2, 0]);
    assert.deepEqual(await leaves({ type: name('T'), before: 3, limit: 1 }), [2]);
  });

  test(`${title}: versions and leaves are listed in log order`, async (t) => {
    const { catalog } = await openCatalog(t);
    await catalog.append([entry(1, [{ id: 'a' }, { id: 'b' }]), entry(2, [{ id: 'c' }])]);
    assert.deepEqual(
      (await catalog.versionsByLeaf(0, 9)).map((row) => [row.leafIndex, row.seq]),
      [
        [0, 1],
        [1, 1],
        [2, 2],
      ],
    );
    assert.equal((await catalog.leaves(1, 3)).byteLength, 64);
    assert.deepEqual(Buffer.from(await catalog.leaves(2, 3)), Buffer.from(version({ id: 'c' }).leaf));
  });

  test(`${title}: links of a version are listed, all or those of some parameters`, async (t) => {
    const { catalog } = await openCatalog(t);
    await catalog.append([
      entry(1, [
        {
          id: 'o',
          links: [
            ['subject', 'p'],
            ['performer', 'd'],
            ['patient', 'p'],
          ],
        },
      ]),
    ]);
    const targets = async (...params: string[]) =>
      (await catalog.linksOf([0], params.map(name))).map(({ param }) => hexOf(param)).sort();
    const named = (...params: string[]) => params.map((param) => hexOf(name(param))).sort();
    assert.deepEqual(await targets(), named('subject', 'performer', 'patient'));
    assert.deepEqual(await targets('performer'), named('performer'));
    assert.deepEqual(await targets('author'), []);
  });

  test(`${title}: links of many versions and current versions of many resources are listed at once`, async (t) => {
    const { catalog } = await openCatalog(t);
    await catalog.append([
      entry(1, [{ id: 'p' }, { id: 'o', links: [['subject', 'p']] }]),
      entry(2, [
        {
          id: 'c',
          links: [
            ['subject', 'p'],
            ['asserter', 'd'],
          ],
        },
        { id: 'o', versionId: 2, links: [['subject', 'q']] },
      ]),
      entry(3, [{ id: 'p', versionId: 2, isDeleted: true }]),
    ]);
    const links = async (leafIndexes: number[], ...params: string[]) =>
      (await catalog.linksOf(leafIndexes, params.map(name)))
        .map(plain)
        .sort((a, b) => (JSON.stringify(a) < JSON.stringify(b) ? -1 : 1));
    const link = (leafIndex: number, param: string, target: string) =>
      plain({ leafIndex, param: name(param), target: name(target) });
    assert.deepEqual(await links([1, 2, 3], 'subject'), [
      link(1, 'subject', 'p'),
      link(2, 'subject', 'p'),
      link(3, 'subject', 'q'),
    ]);
    assert.equal((await links([1, 2])).length, 3);
    assert.deepEqual(await links([0, 99]), []);
    assert.deepEqual(await links([]), []);
    const targets = async (leafIndexes: number[]) => (await catalog.targetsOf(leafIndexes)).map(hexOf).sort();
    const named = (...ids: string[]) => ids.map((id) => hexOf(name(id))).sort();
    assert.deepEqual(await targets([1, 2, 3]), named('p', 'd', 'q'));
    assert.deepEqual(await targets([1]), named('p'));
    assert.deepEqual(await targets([0, 99]), []);
    assert.deepEqual(await targets([]), []);
    const current = async (asOf: number, ...ids: string[]) =>
      (await catalog.currentOf(ids.map(name), asOf)).map(({ leafIndex }) => leafIndex).sort();
    for (let twice = 0; twice < 2; twice += 1) {
      assert.deepEqual(await current(3, 'p', 'o', 'c', 'unknown'), [2, 3, 4]);
      assert.deepEqual(await current(1, 'p', 'o', 'c'), [0, 1]);
    }
    assert.deepEqual(await current(3), []);
  });

  test(`${title}: a link to a resource that comes later is followed once it is there`, async (t) => {
    const { catalog } = await openCatalog(t);
    const plan: Plan = { kind: 'link-to', params: [name('subject')], target: term('Ann') };
    await catalog.append([entry(1, [{ id: 'o', links: [['subject', 'p']] }])]);
    assert.deepEqual(await leavesOf(catalog, plan), []);
    await catalog.append([entry(2, [{ id: 'p', terms: ['Ann'] }])]);
    assert.deepEqual(await leavesOf(catalog, plan), [0]);
    assert.deepEqual(await leavesOf(catalog, plan, 1), []);
    await catalog.append([entry(3, [{ id: 'p', versionId: 2, isDeleted: true, terms: ['Ann'] }])]);
    assert.deepEqual(await leavesOf(catalog, plan), []);
  });

  test(`${title}: small state is kept by key, and the newest value counts`, async (t) => {
    const { catalog, reopen } = await openCatalog(t);
    assert.equal(await catalog.getState('outbox'), undefined);
    await catalog.putState('outbox', Buffer.from('one'));
    await catalog.putState('outbox', Buffer.from('two'));
    assert.equal(Buffer.from((await (await reopen()).getState('outbox'))!).toString(), 'two');
  });

  test(`${title}: a resource with very many versions is found by its name, as it was after each entry`, async (t) => {
    const { catalog } = await openCatalog(t);
    const entries = Array.from({ length: 1_500 }, (_, index) =>
      entry(index + 1, [{ id: 'a', versionId: index + 1, terms: ['x'] }]),
    );
    await catalog.append(entries);
    const plan: Plan = { kind: 'resource', names: [name('a'), name('b')] };
    for (const asOf of [1, 400, 1_499, 1_500]) {
      assert.deepEqual(await leavesOf(catalog, plan, asOf), [asOf - 1]);
      assert.deepEqual(await leavesOf(catalog, and(term('x'), plan), asOf), [asOf - 1]);
      assert.deepEqual(await leavesOf(catalog, term('x'), asOf), [asOf - 1]);
    }
  });

  test(`${title}: random plans over random histories find what the model finds, at every entry`, async (t) => {
    const { catalog } = await openCatalog(t);
    const random = generator(20_261_121);
    const model = new CatalogModel();
    const versionIds = new Map<string, number>();
    for (let seq = 1; seq <= 60; seq += 1) {
      const ids = new Set(Array.from({ length: 1 + random(5) }, () => `r${random(40)}`));
      const sketches = [...ids].map((id) => randomSketch(random, id, versionIds));
      const entries = [entry(seq, sketches, 1_000 * (1 + Math.floor(seq / 2)))];
      await catalog.append(entries);
      model.add(entries);
    }
    for (let round = 0; round < rounds; round += 1) {
      const plan = randomPlan(random, 3);
      const asOf = 1 + random(60);
      const expected = model.search(plan, asOf);
      const message = () => `after entry ${asOf}: ${JSON.stringify(plan)}`;
      assert.deepEqual(await leavesOf(catalog, plan, asOf, 1_000), expected, message());
      const limit = 1 + random(6);
      assert.deepEqual(await leavesOf(catalog, plan, asOf, limit), expected.slice(0, limit), message());
      const oldest = await catalog.search({ plan, asOf, order: 'oldest', limit: 1_000 });
      assert.deepEqual(
        oldest.map(({ leafIndex }) => leafIndex),
        expected.toReversed(),
        message(),
      );
      assert.equal(await catalog.count(plan, asOf), expected.length, message());
    }
  });
}

/** Numbers in [0, below) that depend on the seed alone. */
export function generator(seed: number): (below: number) => number {
  let state = seed;
  return (below) => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    return Math.floor((state / 2 ** 32) * below);
  };
}

function randomSketch(random: (below: number) => number, id: string, versionIds: Map<string, number>): VersionSketch {
  const versionId = (versionIds.get(id) ?? 0) + 1;
  versionIds.set(id, versionId);
  const isDeleted = versionId > 1 && random(4) === 0;
  const terms = Array.from({ length: random(6) }, () => `t${random(8)}`);
  const links = Array.from({ length: random(3) }, () => [`p${random(3)}`, `r${random(40)}`] as const);
  return isDeleted ? { id, versionId, isDeleted, terms: ['t0'] } : { id, versionId, terms, links };
}

function randomPlan(random: (below: number) => number, depth: number): Plan {
  const some = <T>(make: () => T, most: number) => Array.from({ length: 1 + random(most) }, make);
  const deeper = () => randomPlan(random, depth - 1);
  switch (random(depth > 0 ? 13 : 5)) {
    case 0:
    case 1:
    case 2:
      return term(`t${random(9)}`);
    case 3:
      return { kind: 'resource', names: some(() => name(`r${random(45)}`), 4) };
    case 4:
      return { kind: 'updated', from: 1_000 * random(30), until: 1_000 * random(40) };
    case 5:
    case 6:
      return and(deeper(), deeper(), ...(random(2) === 0 ? [deeper()] : []));
    case 7:
    case 8:
      return or(deeper(), deeper(), ...(random(2) === 0 ? [deeper()] : []));
    case 9:
      return and(deeper(), { kind: 'not', of: deeper() });
    case 10:
      return { kind: 'link-to', params: some(() => name(`p${random(4)}`), 2), target: deeper() };
    case 11:
      return { kind: 'linked-from', params: some(() => name(`p${random(4)}`), 2), source: deeper() };
    default:
      return random(10) === 0 ? { kind: 'none' } : { kind: 'all' };
  }
}

function hexOf(term: Term): string {
  return Buffer.from(term).toString('hex');
}
