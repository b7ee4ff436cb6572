/** What every Catalog does with amendments, erasures and exports. */
import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { test, type TestContext } from 'node:test';
import type { Catalog, Entry, Erasure } from '../../src/commit/catalog.js';
import { termKeyBytes } from '../../src/commit/catalog.js';
import type { Plan } from '../../src/fhir/search/plan.js';
import { packTerms } from '../../src/vault/blinder.js';
import { entry, leavesOf, name, term, version, type OpenedCatalog } from './catalog.js';
import { plain } from './plain.js';

function erasureOf(leaves: readonly number[], more: Partial<Erasure> = {}): Erasure {
  return { leaf: randomBytes(32), leaves, compartments: [], blocks: [], states: [], ...more };
}

function erasing(seq: number, erasure: Erasure): Entry {
  return { seq, time: 1_000 * seq, versions: [], newKeys: [], erasure };
}

async function all<T>(source: AsyncIterable<T>): Promise<T[]> {
  const list: T[] = [];
  for await (const item of source) list.push(item);
  return list;
}

/** An entry as an export is expected to give it: without keys, terms cut and in order. */
function exported(given: Entry): unknown {
  const versions = given.versions.map((row) => ({
    ...row,
    header: Buffer.from(row.header),
    terms: Array.from({ length: row.terms.byteLength / 16 }, (_, index) =>
      Buffer.from(row.terms.subarray(index * 16, index * 16 + termKeyBytes)).toString('hex'),
    ).sort(),
    links: row.links.map((link) => JSON.stringify(plain(link))).sort(),
  }));
  return plain({ ...given, versions, newKeys: [] });
}

const subject: Plan = { kind: 'link-to', params: [name('subject')], target: term('Ann') };

export function catalogChangesSuite(title: string, openCatalog: (t: TestContext) => Promise<OpenedCatalog>): void {
  test(`${title}: amended terms, links, headers and wraps count at once, for every state, and after a restart`, async (t) => {
    const { catalog, reopen } = await openCatalog(t);
    await catalog.append([
      entry(1, [
        { id: 'a', terms: ['old', 'both'], links: [['subject', 'p']] },
        { id: 'b', terms: ['old'] },
      ]),
      entry(2, [{ id: 'p', terms: ['Ann'] }]),
    ]);
    // Asked before, so that what is remembered of it must be forgotten.
    assert.deepEqual(await leavesOf(catalog, term('new')), []);
    assert.equal((await catalog.current(name('a'), 2))!.keyWraps.length, 1);
    const keyWraps = [{ compartment: name('other'), wrapped: randomBytes(40) }];
    const header = Buffer.from('another header, of another length');
    await catalog.amend({
      versions: [
        {
          leafIndex: 0,
          addTerms: packTerms([name('new'), name('both')]),
          removeTerms: packTerms([name('old'), name('never there')]),
          removeLinks: [{ param: name('subject'), target: name('p') }],
          header,
          keyWraps,
        },
        { leafIndex: 1, addLinks: [{ param: name('subject'), target: name('p') }] },
        { leafIndex: 99, addTerms: packTerms([name('new')]) },
      ],
      state: { key: 'progress', value: Buffer.from('1') },
    });
    const check = async (opened: Catalog) => {
      for (const asOf of [1, 2]) {
        assert.deepEqual(await leavesOf(opened, term('new'), asOf), [0]);
        assert.deepEqual(await leavesOf(opened, term('both'), asOf), [0]);
        assert.deepEqual(await leavesOf(opened, term('old'), asOf), [1]);
      }
      assert.deepEqual(await leavesOf(opened, subject), [1]);
      assert.deepEqual(await opened.linksOf([0], []), []);
      assert.deepEqual((await opened.linksOf([1], [])).map(plain), [
        plain({ leafIndex: 1, param: name('subject'), target: name('p') }),
      ]);
      const row = (await opened.current(name('a'), 2))!;
      assert.deepEqual(plain({ ...row, header: Buffer.from(row.header) }), plain({ ...row, header, keyWraps }));
      assert.equal(Buffer.from((await opened.getState('progress'))!).toString(), '1');
    };
    await check(catalog);
    await check(await reopen());
  });

  test(`${title}: the keys of compartments are listed page by page, each once, and set anew; only a restore adds one`, async (t) => {
    const { catalog, reopen } = await openCatalog(t);
    const names = ['one', 'two', 'three'].map(name);
    const keys = names.map((compartment) => ({ compartment, wrapped: randomBytes(44) }));
    await catalog.append([{ ...entry(1, [{ id: 'a' }]), newKeys: keys }]);
    const first = await catalog.compartmentKeys(undefined, 2);
    const second = await catalog.compartmentKeys(first[1]!.compartment, 9);
    assert.deepEqual([first.length, second.length], [2, 1]);
    assert.deepEqual(await catalog.compartmentKeys(second[0]!.compartment, 9), []);
    const texts = (list: readonly object[]) => list.map((key) => JSON.stringify(plain(key))).sort();
    assert.deepEqual(texts([...first, ...second]), texts(keys));
    const wrapped = randomBytes(88);
    const stranger = { compartment: name('stranger'), wrapped: randomBytes(44) };
    await catalog.amend({ keys: [{ compartment: names[0]!, wrapped }, stranger] });
    assert.deepEqual(Buffer.from((await catalog.compartmentKey(names[0]!))!), wrapped);
    assert.equal(await catalog.compartmentKey(stranger.compartment), undefined);
    await catalog.amend({ keys: [stranger], addsKeys: true });
    const again = await reopen();
    assert.deepEqual(Buffer.from((await again.compartmentKey(stranger.compartment))!), stranger.wrapped);
    assert.deepEqual(Buffer.from((await again.compartmentKey(names[0]!))!), wrapped);
  });

  test(`${title}: small state is listed in the order of its keys`, async (t) => {
    const { catalog } = await openCatalog(t);
    for (const key of ['b', 'a/2', 'c', 'a/1']) await catalog.putState(key, Buffer.from(key));
    const keys = async (after: string | undefined, limit: number) =>
      (await catalog.states(after, limit)).map(({ key, value }) => `${key}=${Buffer.from(value).toString()}`);
    assert.deepEqual(await keys(undefined, 2), ['a/1=a/1', 'a/2=a/2']);
    assert.deepEqual(await keys('a/2', 9), ['b=b', 'c=c']);
  });

  test(`${title}: what is erased is found by nothing, as of no entry, while its leaf and all others stay`, async (t) => {
    const { catalog, reopen } = await openCatalog(t);
    const key = { compartment: name('compartment'), wrapped: randomBytes(44) };
    const other = { compartment: name('other'), wrapped: randomBytes(44) };
    const one = entry(1, [
      { id: 'p', terms: ['T', 'Ann'] },
      { id: 'o', terms: ['T', 'x'], links: [['subject', 'p']] },
      { id: 'q', terms: ['T', 'x'], links: [['subject', 'p']] },
    ]);
    await catalog.append([
      { ...one, newKeys: [key, other] },
      entry(2, [{ id: 'o', versionId: 2, terms: ['T', 'y'], links: [['subject', 'p']] }]),
    ]);
    await catalog.putState('mine', Buffer.from('secret'));
    await catalog.current(name('p'), 2);
    const erasure = erasureOf([0, 1, 3], {
      compartments: [name('compartment')],
      states: ['mine'],
      blocks: [randomBytes(32)],
    });
    await catalog.append([erasing(3, erasure), entry(4, [{ id: 'r', terms: ['T'] }])]);
    const check = async (opened: Catalog) => {
      assert.deepEqual(opened.head(), { seq: 4, leafCount: 6, time: 4_000 });
      for (const asOf of [1, 2, 4]) {
        assert.equal(await opened.current(name('p'), asOf), undefined);
        assert.equal(await opened.current(name('o'), asOf), undefined);
        assert.equal((await opened.current(name('q'), asOf))!.leafIndex, 2);
        assert.deepEqual(await leavesOf(opened, term('x'), asOf), [2]);
        assert.equal(await opened.count(term('T'), asOf), asOf === 4 ? 2 : 1);
        assert.deepEqual(await leavesOf(opened, term('Ann'), asOf), []);
        assert.deepEqual(await leavesOf(opened, subject, asOf), []);
        assert.deepEqual(await leavesOf(opened, { kind: 'resource', names: [name('p'), name('o')] }, asOf), []);
        assert.deepEqual(await leavesOf(opened, { kind: 'all' }, asOf), asOf === 4 ? [5, 2] : [2]);
      }
      assert.equal(await opened.version(name('o'), 1), undefined);
      const history = async (request: object) =>
        (await opened.history({ asOf: 4, limit: 10, ...request })).map(({ leafIndex }) => leafIndex);
      assert.deepEqual(await history({}), [5, 2]);
      assert.deepEqual(await history({ type: name('T') }), [5, 2]);
      assert.deepEqual(await history({ resource: name('o') }), []);
      assert.deepEqual(await opened.linksOf([1], []), []);
      assert.deepEqual(await opened.targetsOf([1, 3]), []);
      assert.equal(await opened.compartmentKey(name('compartment')), undefined);
      assert.deepEqual(Buffer.from((await opened.compartmentKey(name('other')))!), other.wrapped);
      assert.equal(await opened.getState('mine'), undefined);
      const places = await opened.versionsByLeaf(0, 9);
      assert.deepEqual(
        places.map(({ leafIndex, isErased, isTombstone }) => [leafIndex, isErased ?? false, isTombstone ?? false]),
        [
          [0, true, false],
          [1, true, false],
          [2, false, false],
          [3, true, false],
          [4, true, true],
          [5, false, false],
        ],
      );
      for (const row of places.filter(({ isErased }) => isErased)) {
        assert.deepEqual([row.keyWraps.length, row.header.byteLength, row.block], [0, 0, undefined]);
        assert.deepEqual(Buffer.from(row.resource), Buffer.alloc(16));
      }
      const leaves = Buffer.from(await opened.leaves(0, 6));
      assert.deepEqual(leaves.subarray(0, 32), Buffer.from(one.versions[0]!.leaf));
      assert.deepEqual(leaves.subarray(128, 160), Buffer.from(erasure.leaf));
      assert.deepEqual((await opened.erasures(1)).map(plain), [
        plain({ ...erasure, seq: 3, time: 3_000, leafIndex: 4 }),
      ]);
      assert.deepEqual(await opened.erasures(4), []);
    };
    await check(catalog);
    const before = (await catalog.size()).terms;
    await catalog.sweep();
    await catalog.sweep();
    await check(catalog);
    assert.ok((await catalog.size()).terms <= before);
    await check(await reopen());
  });

  test(`${title}: an erased name is free again, and links of others lead to what takes it`, async (t) => {
    const { catalog } = await openCatalog(t);
    await catalog.append([
      entry(1, [
        { id: 'p', terms: ['Ann'] },
        { id: 'q', links: [['subject', 'p']] },
      ]),
      erasing(2, erasureOf([0])),
    ]);
    await catalog.append([entry(3, [{ id: 'p', terms: ['Ann'] }])]);
    assert.deepEqual(await leavesOf(catalog, subject), [1]);
    assert.deepEqual(await leavesOf(catalog, subject, 2), []);
    assert.equal((await catalog.current(name('p'), 3))!.versionId, 1);
  });

  test(`${title}: what was asked by a name before it was erased is not what takes its place`, async (t) => {
    const { catalog } = await openCatalog(t);
    await catalog.append([entry(1, [{ id: 'q' }, { id: 'p', terms: ['Ann'] }])]);
    const named = (id: string) => leavesOf(catalog, { kind: 'resource', names: [name(id)] });
    const referring = () =>
      leavesOf(catalog, {
        kind: 'link-to',
        params: [name('subject')],
        target: { kind: 'resource', names: [name('p')] },
      });
    assert.deepEqual(await named('p'), [1]);
    assert.deepEqual(await referring(), []);
    await catalog.append([erasing(2, erasureOf([1]))]);
    assert.deepEqual(await named('p'), []);
    await catalog.append([entry(3, [{ id: 'r' }, { id: 'o', links: [['subject', 'r']] }])]);
    assert.deepEqual(await named('p'), []);
    assert.deepEqual(await named('r'), [3]);
    assert.deepEqual(await referring(), []);
    await catalog.append([entry(4, [{ id: 'p', terms: ['Bob'] }])]);
    assert.deepEqual(await named('p'), [5]);
  });

  test(`${title}: an erased earlier version leaves the later ones; amending or erasing it again changes nothing`, async (t) => {
    const { catalog } = await openCatalog(t);
    await catalog.append([
      entry(1, [{ id: 'a', terms: ['x'] }]),
      entry(2, [{ id: 'a', versionId: 2, terms: ['y'] }]),
      erasing(3, erasureOf([0])),
    ]);
    await catalog.amend({ versions: [{ leafIndex: 0, addTerms: packTerms([name('z')]), header: Buffer.from('h') }] });
    await catalog.append([erasing(4, erasureOf([0])), entry(5, [{ id: 'a', versionId: 3, terms: ['z'] }])]);
    assert.deepEqual(await leavesOf(catalog, term('x'), 1), []);
    assert.deepEqual(await leavesOf(catalog, term('y'), 4), [1]);
    assert.deepEqual(await leavesOf(catalog, term('z')), [4]);
    assert.equal((await catalog.versionsByLeaf(0, 1))[0]!.header.byteLength, 0);
    assert.deepEqual(
      (await catalog.history({ resource: name('a'), asOf: 5, limit: 9 })).map(({ versionId }) => versionId),
      [3, 2],
    );
  });

  test(`${title}: an export gives every entry with what the index holds of it; appended elsewhere it answers the same`, async (t) => {
    const { catalog } = await openCatalog(t);
    const entries = [
      entry(1, [
        { id: 'p', terms: ['T', 'Ann'] },
        { id: 'o', terms: ['T', 'x'], links: [['subject', 'p']] },
      ]),
      entry(2, [{ id: 'o', versionId: 2, terms: ['T', 'y'], links: [['subject', 'p']] }]),
      entry(3, [{ id: 'o', versionId: 3, isDeleted: true, terms: ['T'] }]),
      erasing(4, erasureOf([2])),
      // What servers announce to each other has no versions.
      entry(5, []),
      entry(6, [{ id: 'o', versionId: 4, terms: ['T', 'y'] }]),
      entry(7, []),
    ];
    await catalog.append(entries);
    assert.deepEqual(catalog.head(), { seq: 7, leafCount: 6, time: 7_000 });
    await catalog.amend({ versions: [{ leafIndex: 0, addTerms: packTerms([name('late')]) }] });
    const given = await all(catalog.entries(1, 8));
    const expected = structuredClone(entries) as Entry[];
    Object.assign(expected[0]!.versions[0]!, { terms: packTerms(['T', 'Ann', 'late'].map(name)) });
    const { leaf, lastUpdated } = version({ id: 'o', versionId: 2, time: 2_000 });
    const nothing = new Uint8Array(0);
    const erased = { resource: new Uint8Array(16), versionId: 0, isDeleted: true, isErased: true, lastUpdated, leaf };
    expected[1] = {
      ...expected[1]!,
      versions: [{ ...erased, keyWraps: [], header: nothing, terms: nothing, links: [] }],
    };
    assert.deepEqual(given.map(exported), expected.map(exported));
    assert.deepEqual(
      (await all(catalog.entries(3, 5))).map(({ seq }) => seq),
      [3, 4],
    );
    const { catalog: other } = await openCatalog(t);
    await other.append(given.slice(0, 3));
    await other.append(given.slice(3));
    assert.deepEqual((await all(other.entries(1, 8))).map(exported), expected.map(exported));
    assert.deepEqual(Buffer.from(await other.leaves(0, 9)), Buffer.from(await catalog.leaves(0, 9)));
    for (const plan of [term('x'), term('y'), term('T'), term('late'), subject] satisfies Plan[]) {
      for (const asOf of [1, 3, 5]) {
        if (plan === subject && asOf === 1) continue;
        assert.deepEqual(await leavesOf(other, plan, asOf), await leavesOf(catalog, plan, asOf), JSON.stringify(plan));
      }
    }
  });
}
