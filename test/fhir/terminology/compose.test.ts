import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { animals, valueSet, withResources } from './definitions.js';

const system = animals.url;
const all = ['animal', 'mammal', 'dog', 'cat', 'bird', 'dodo'];

/** Which animals are in the value set that `include` and `exclude` compose. */
function members(include: object[], exclude?: object[], others: object[] = []): string[] {
  const terminology = withResources(animals, valueSet('http://example.org/vs', include, exclude), ...others);
  const inSet = all.filter(
    (code) => terminology.validateCode({ system, code }, 'http://example.org/vs').result === 'in',
  );
  assert.deepEqual(
    terminology
      .expand('http://example.org/vs')
      .contains.map(({ code }) => code)
      .sort(),
    [...inSet].sort(),
    'the expansion holds the same codes',
  );
  return inSet;
}

function filtered(property: string, op: string, value: string): string[] {
  return members([{ system, filter: [{ property, op, value }] }]);
}

describe('composition of a value set', () => {
  test('a system without more has all its codes', () => assert.deepEqual(members([{ system }]), all));
  test('listed codes are in, others are not, and what the system does not have is not', () => {
    assert.deepEqual(members([{ system, concept: [{ code: 'dog' }, { code: 'unicorn' }] }]), ['dog']);
  });
  test('excluded codes are out', () => {
    assert.deepEqual(
      members([{ system }], [{ system, concept: [{ code: 'dog' }] }]),
      all.filter((code) => code !== 'dog'),
    );
  });
  test('is-a has the concept and all below it', () =>
    assert.deepEqual(filtered('concept', 'is-a', 'mammal'), ['mammal', 'dog', 'cat']));
  test('descendent-of has those below alone', () =>
    assert.deepEqual(filtered('concept', 'descendent-of', 'mammal'), ['dog', 'cat']));
  test('is-not-a has the others', () =>
    assert.deepEqual(filtered('concept', 'is-not-a', 'mammal'), ['animal', 'bird', 'dodo']));
  test('generalizes has the concept and those above', () =>
    assert.deepEqual(filtered('concept', 'generalizes', 'dog'), ['animal', 'mammal', 'dog']));
  test('in and not-in take a list', () => {
    assert.deepEqual(filtered('code', 'in', 'dog, bird'), ['dog', 'bird']);
    assert.deepEqual(filtered('code', 'not-in', 'dog,bird'), ['animal', 'mammal', 'cat', 'dodo']);
  });
  test('regex matches whole codes', () => assert.deepEqual(filtered('code', 'regex', '.o.*'), ['dog', 'dodo']));
  test('= and exists look at properties', () => {
    assert.deepEqual(filtered('legs', '=', '4'), ['dog', 'cat']);
    assert.deepEqual(filtered('sound', 'exists', 'true'), ['dog']);
    assert.deepEqual(filtered('sound', 'exists', 'false'), ['animal', 'mammal', 'cat', 'bird', 'dodo']);
    assert.deepEqual(filtered('parent', '=', 'mammal'), ['dog', 'cat']);
  });
  test('several filters narrow each other', () => {
    const filter = [
      { property: 'concept', op: 'is-a', value: 'mammal' },
      { property: 'legs', op: '=', value: '4' },
    ];
    assert.deepEqual(members([{ system, filter }]), ['dog', 'cat']);
  });
  test('a filter about an unknown concept has nothing', () =>
    assert.deepEqual(filtered('concept', 'is-a', 'unicorn'), []));

  const pets = valueSet('http://example.org/pets', [{ system, concept: [{ code: 'dog' }, { code: 'cat' }] }]);
  const farm = valueSet('http://example.org/farm', [{ system, concept: [{ code: 'dog' }, { code: 'bird' }] }]);
  test('value sets within one include narrow each other', () => {
    assert.deepEqual(
      members([{ valueSet: ['http://example.org/pets', 'http://example.org/farm'] }], undefined, [pets, farm]),
      ['dog'],
    );
    assert.deepEqual(members([{ system, valueSet: ['http://example.org/pets'] }], undefined, [pets]), ['dog', 'cat']);
  });
  test('value sets in includes of their own add up, and can be taken away', () => {
    const both = [{ valueSet: ['http://example.org/pets'] }, { valueSet: ['http://example.org/farm'] }];
    assert.deepEqual(members(both, undefined, [pets, farm]), ['dog', 'cat', 'bird']);
    assert.deepEqual(members(both, [{ valueSet: ['http://example.org/farm'] }], [pets, farm]), ['cat']);
  });
  test('value sets that include each other in a circle end', () => {
    const other = valueSet('http://example.org/other', [
      { valueSet: ['http://example.org/vs'] },
      { system, concept: [{ code: 'cat' }] },
    ]);
    assert.deepEqual(
      members([{ valueSet: ['http://example.org/other'] }, { system, concept: [{ code: 'dog' }] }], undefined, [other]),
      ['dog', 'cat'],
    );
  });
});

describe('what cannot be decided', () => {
  const vs = 'http://example.org/vs';
  test('a code of a system that is not at hand is unknown, but a listed one is in and another is not', () => {
    const whole = withResources(valueSet(vs, [{ system: 'http://loinc.org' }]));
    assert.equal(whole.validateCode({ system: 'http://loinc.org', code: '1-8' }, vs).result, 'unknown');
    const listed = withResources(valueSet(vs, [{ system: 'http://loinc.org', concept: [{ code: '1-8' }] }]));
    assert.equal(listed.validateCode({ system: 'http://loinc.org', code: '1-8' }, vs).result, 'in');
    assert.equal(listed.validateCode({ system: 'http://loinc.org', code: '2-6' }, vs).result, 'out');
  });
  test('a filter on it is unknown, and stays so when something else is excluded', () => {
    const filter = [{ property: 'SCALE_TYP', op: '=', value: 'Doc' }];
    const terminology = withResources(
      valueSet(
        vs,
        [{ system: 'http://loinc.org', filter }],
        [{ system: 'http://loinc.org', concept: [{ code: '2-6' }] }],
      ),
    );
    assert.equal(terminology.validateCode({ system: 'http://loinc.org', code: '1-8' }, vs).result, 'unknown');
    assert.equal(terminology.validateCode({ system: 'http://loinc.org', code: '2-6' }, vs).result, 'out');
    assert.equal(terminology.validateCode({ system: 'http://snomed.info/sct', code: '1' }, vs).result, 'out');
  });
  test('an included value set that is not at hand leaves the question open, unless another include has the code', () => {
    const terminology = withResources(
      animals,
      valueSet(vs, [{ valueSet: ['http://example.org/nowhere'] }, { system, concept: [{ code: 'dog' }] }]),
    );
    assert.equal(terminology.validateCode({ system, code: 'dog' }, vs).result, 'in');
    assert.equal(terminology.validateCode({ system, code: 'cat' }, vs).result, 'unknown');
    assert.equal(terminology.validateCode({ code: 'dog' }, vs).result, 'in');
    assert.equal(terminology.validateCode({ code: 'cat' }, vs).result, 'unknown', 'of a code element too');
  });
  test('a fragment knows its codes and leaves the others open', () => {
    const fragment = { ...animals, content: 'fragment' };
    const terminology = withResources(fragment, valueSet(vs, [{ system }]));
    assert.equal(terminology.validateCode({ system, code: 'dog' }, vs).result, 'in');
    assert.equal(terminology.validateCode({ system, code: 'yeti' }, vs).result, 'unknown');
    assert.equal(terminology.validateInSystem({ system, code: 'yeti' }).reason, 'fragment');
  });
  test('a stored expansion decides what the composition cannot', () => {
    const contains = [
      { system: 'http://loinc.org', code: '1-8', contains: [{ system: 'http://loinc.org', code: '3-4' }] },
    ];
    const terminology = withResources(
      valueSet(vs, [{ system: 'http://loinc.org' }], undefined, { expansion: { contains } }),
    );
    assert.equal(terminology.validateCode({ system: 'http://loinc.org', code: '3-4' }, vs).result, 'in');
    assert.equal(terminology.validateCode({ system: 'http://loinc.org', code: '2-6' }, vs).result, 'out');
    assert.deepEqual(
      terminology.expand(vs).contains.map(({ code }) => code),
      ['1-8', '3-4'],
    );
  });
  test('malformed definitions are no reason to fail', () => {
    const odd = withResources(
      { ...animals, concept: [{ code: 5 }, {}, { code: 'dog', property: [{}] }] },
      valueSet(vs, [{}, { system, filter: [{}] }, { system, concept: [{}] }]),
    );
    assert.equal(odd.validateInSystem({ system, code: 'dog' }).result, 'in');
    assert.equal(odd.validateCode({ system, code: 'dog' }, vs).result, 'unknown');
  });
});

describe('case', () => {
  const vs = 'http://example.org/vs';
  test('does not matter where the system says so or says nothing, but a code element is spelled exactly', () => {
    for (const caseSensitive of [false, undefined]) {
      const terminology = withResources(
        { ...animals, caseSensitive },
        valueSet(vs, [{ system, concept: [{ code: 'Dog' }] }]),
      );
      assert.equal(terminology.validateInSystem({ system, code: 'DOG' }).result, 'in');
      assert.equal(terminology.validateCode({ system, code: 'DOG' }, vs).result, 'in');
      assert.equal(terminology.validateCode({ code: 'DOG' }, vs).result, 'out');
    }
  });
  test('matters where the system says so', () => {
    const terminology = withResources(animals, valueSet(vs, [{ system }]));
    assert.equal(terminology.validateInSystem({ system, code: 'DOG' }).result, 'out');
    assert.equal(terminology.validateCode({ system, code: 'DOG' }, vs).result, 'out');
    assert.equal(terminology.validateCode({ system, code: 'dog' }, vs).result, 'in');
  });
});

describe('versions', () => {
  test('an include with a version takes that version of the system', () => {
    const old = { ...animals, version: '0.9', concept: [{ code: 'dinosaur' }] };
    const terminology = withResources(
      old,
      animals,
      valueSet('http://example.org/old', [{ system, version: '0.9' }]),
      valueSet('http://example.org/new', [{ system }]),
    );
    assert.equal(terminology.validateCode({ system, code: 'dinosaur' }, 'http://example.org/old').result, 'in');
    assert.equal(terminology.validateCode({ system, code: 'dinosaur' }, 'http://example.org/new').result, 'out');
    assert.equal(terminology.lookup(system, 'dinosaur', '0.9')?.system.version, '0.9');
  });
  test('a binding may name the version of the value set', () => {
    const two = [
      valueSet('http://example.org/vs', [{ system, concept: [{ code: 'dog' }] }], undefined, { version: '1' }),
      valueSet('http://example.org/vs', [{ system, concept: [{ code: 'cat' }] }], undefined, { version: '2' }),
    ];
    const terminology = withResources(animals, ...two);
    assert.equal(terminology.validateCode({ system, code: 'dog' }, 'http://example.org/vs|1').result, 'in');
    assert.equal(terminology.validateCode({ system, code: 'dog' }, 'http://example.org/vs|2').result, 'out');
    assert.equal(terminology.validateCode({ system, code: 'dog' }, 'http://example.org/vs').result, 'out');
  });
});
