import { describe, it } from 'node:test';
import assert from 'node:assert/strict';
import { parseJson } from '../../src/base/json.js';
import { sha256, toHex } from '../../src/base/bytes.js';
import {
  commitmentOf,
  cut,
  disclose,
  DisclosureError,
  selects,
  type Disclosure,
} from '../../src/anchoring/disclosure.js';
import { buildElementTree } from '../../src/anchoring/element-tree.js';
import { elementsOf } from '../../src/anchoring/elements.js';

type Json = { resourceType: string };
const salt = Buffer.alloc(16, 5);
const observation = (text = '1.50') =>
  parseJson(`{"resourceType":"Observation","id":"o1","status":"final","code":{"coding":[{"system":"http://loinc.org","code":"718-7"},
    {"code":"x"}],"text":"H\\u00e4moglobin \\"g/L\\""},"valueQuantity":{"value":${text},"unit":"g/L"},"_status":{"extension":[{"url":"u","valueBoolean":true}]},
    "note":[null],"empty":{},"none":[]}`) as Json;
const manyElements = {
  resourceType: 'List',
  entry: Array.from({ length: 700 }, (_, n) => ({ item: { reference: `Patient/${n}` } })),
};

function commitment(resource: Json, leafSalt = salt): string {
  return toHex(buildElementTree(resource, leafSalt).commitment);
}

describe('the elements of a resource', () => {
  it('are its primitives by path, with the text that was written', () => {
    assert.deepEqual(
      elementsOf(observation()).map(({ path, text }) => `${path} = ${text}`),
      [
        'Observation._status.extension[0].url = "u"',
        'Observation._status.extension[0].valueBoolean = true',
        'Observation.code.coding[0].code = "718-7"',
        'Observation.code.coding[0].system = "http://loinc.org"',
        'Observation.code.coding[1].code = "x"',
        'Observation.code.text = "Hämoglobin \\"g/L\\""',
        'Observation.empty = {}',
        'Observation.id = "o1"',
        'Observation.none = []',
        'Observation.note[0] = null',
        'Observation.resourceType = "Observation"',
        'Observation.status = "final"',
        'Observation.valueQuantity.unit = "g/L"',
        'Observation.valueQuantity.value = 1.50',
      ],
    );
  });

  it('cannot be confused by odd names', () => {
    const odd = { resourceType: 'Basic', 'a.b': 1, a: { b: 2 }, 'a[0]': 3, 'x`y\\': 4 };
    assert.deepEqual(
      elementsOf(odd).map(({ path }) => path),
      ['Basic.a.b', 'Basic.`a.b`', 'Basic.`a[0]`', 'Basic.resourceType', 'Basic.`x\\`y\\\\`'],
    );
  });
});

describe('the commitment to a resource', () => {
  it("does not depend on the order of members, and does on every value, on decimals' text and on the salt", () => {
    const { id, ...others } = observation() as Json & { id: string };
    assert.equal(commitment({ ...others, id } as Json), commitment(observation()));
    assert.notEqual(commitment(observation('1.5')), commitment(observation('1.50')));
    assert.notEqual(commitment({ ...others, id: 'o2' } as Json), commitment(observation()));
    assert.notEqual(commitment(observation(), Buffer.alloc(16, 6)), commitment(observation()));
  });

  it('is found for resources of any size', () => {
    for (const size of [1, 14, 15, 16, 17, 255, 256, 257, 5000]) {
      const resource = { resourceType: 'Basic', values: Array.from({ length: size }, (_, n) => n) };
      const tree = buildElementTree(resource, salt);
      assert.equal(tree.levels.length, Math.max(1, Math.ceil(Math.log(size + 1) / Math.log(16))), `${size} elements`);
      assert.equal(toHex(commitmentOf(disclose(tree, () => true))), toHex(tree.commitment));
    }
  });
});

describe('a disclosure', () => {
  const tree = buildElementTree(observation(), salt);
  const value = disclose(tree, selects(['Observation.valueQuantity', 'Observation.code.coding[0]']));

  it('shows the asked elements, and leads to the commitment', () => {
    assert.deepEqual(value.elements.map(({ path }) => path).sort(), [
      'Observation.code.coding[0].code',
      'Observation.code.coding[0].system',
      'Observation.valueQuantity.unit',
      'Observation.valueQuantity.value',
    ]);
    assert.equal(toHex(commitmentOf(value)), toHex(tree.commitment));
  });

  it('holds nothing from which another element could be told or guessed', () => {
    const all = disclose(tree, () => true);
    const guesses = all.elements.filter(({ path }) => !value.elements.some((shown) => shown.path === path));
    const seen = [
      ...value.elements.map((each) => `${each.path} ${each.text} ${toHex(each.salt)}`),
      ...value.hidden.map(({ hash }) => toHex(hash)),
    ].join('\n');
    for (const { path, text, salt: secret } of guesses)
      for (const trace of [path, toHex(secret), toHex(sha256(Buffer.from(path + text))), text.length > 3 ? text : path])
        assert.ok(!seen.includes(trace), `${path} shows in ${trace}`);
    assert.equal(value.elements.length + value.hidden.length, 16, 'hidden elements and decoys look alike');
  });

  it('of a large resource is small', () => {
    const large = buildElementTree(manyElements, salt);
    const one = disclose(large, selects(['List.entry[500]']));
    assert.deepEqual(
      one.elements.map(({ text }) => text),
      ['"Patient/500"'],
    );
    assert.equal(one.hidden.length, 3 * 15);
    assert.equal(toHex(commitmentOf(one)), toHex(large.commitment));
  });

  it('can be cut further by its holder and still leads to the same commitment', () => {
    const large = buildElementTree(manyElements, salt);
    const some = disclose(large, selects(['List.entry[500]', 'List.entry[3]', 'List.resourceType']));
    const fewer = cut(some, selects(['List.entry[3]']));
    assert.deepEqual(
      fewer.elements.map(({ path }) => path),
      ['List.entry[3].item.reference'],
    );
    assert.equal(toHex(commitmentOf(fewer)), toHex(large.commitment));
    assert.ok(fewer.hidden.length <= some.hidden.length);
    assert.equal(toHex(commitmentOf(cut(fewer, () => false))), toHex(large.commitment));
  });

  it('with one thing changed leads elsewhere or is refused', () => {
    const [first, ...rest] = value.elements;
    const changed: Disclosure[] = [
      { ...value, elements: [{ ...first, text: '"999-9"' }, ...rest] },
      { ...value, elements: [{ ...first, path: 'Observation.code.coding[1].code' }, ...rest] },
      { ...value, elements: [{ ...first, salt: Buffer.alloc(16) }, ...rest] },
      {
        ...value,
        elements: [{ ...first, address: rest[0].address }, { ...rest[0], address: first.address }, ...rest.slice(1)],
      },
      { ...value, hidden: value.hidden.map((node, at) => (at === 0 ? { ...node, hash: Buffer.alloc(32) } : node)) },
    ];
    for (const each of changed) assert.notEqual(toHex(commitmentOf(each)), toHex(tree.commitment));
    assert.throws(() => commitmentOf({ ...value, elements: rest }), DisclosureError);
    assert.throws(() => commitmentOf({ ...value, hidden: value.hidden.slice(1) }), DisclosureError);
    assert.throws(() => commitmentOf({ elements: [first, first], hidden: value.hidden }), DisclosureError);
    assert.throws(() => commitmentOf({ elements: [], hidden: [] }), DisclosureError);
  });
});
