import assert from 'node:assert/strict';
import { test } from 'node:test';
import { JsonText, toJsonBytes, type BundleOf } from '../../src/fhir/json-text.js';

const text = (resource: object) => new JsonText(Buffer.from(JSON.stringify(resource)));
const written = (bundle: BundleOf) => JSON.parse(toJsonBytes(bundle as never).toString('utf8')) as unknown;
const patients = [
  { resourceType: 'Patient', id: 'a', name: [{ family: 'Ann' }] },
  { resourceType: 'Patient', id: 'b', name: [{ family: 'Łukasz 😀' }] },
  { resourceType: 'Patient', id: 'c' },
];

test('resources at hand as text stand in a Bundle as they are, whatever letters are in and around them', () => {
  for (const base of ['http://a/fhir', 'http://ä.example/€/😀']) {
    const entry = patients.map((resource, index) => ({
      fullUrl: `${base}/Patient/${resource.id}`,
      resource,
      search: { mode: index === 2 ? 'include' : 'match' },
      link: [{ relation: 'self', url: `${base}/ü` }],
    }));
    const bundle = { resourceType: 'Bundle' as const, type: 'searchset', total: 3, entry };
    const asText = { ...bundle, entry: entry.map((one) => ({ ...one, resource: text(one.resource) })) };
    assert.deepEqual(written(asText), bundle);
    const mixed = { ...bundle, entry: [asText.entry[0]!, entry[1]!, asText.entry[2]!] };
    assert.deepEqual(written(mixed), bundle);
  }
});

test('entries that share what they say of the search say it each; what is changed later is written anew', () => {
  const shared = Object.freeze({ mode: 'match' });
  const own = { mode: 'match' };
  const bundle = (): BundleOf => ({
    resourceType: 'Bundle',
    entry: [shared, shared, own].map((search) => ({ resource: text(patients[0]!), search })),
  });
  const modes = () => (written(bundle()) as { entry: { search: object }[] }).entry.map(({ search }) => search);
  assert.deepEqual(modes(), [{ mode: 'match' }, { mode: 'match' }, { mode: 'match' }]);
  own.mode = 'include';
  assert.deepEqual(modes(), [{ mode: 'match' }, { mode: 'match' }, { mode: 'include' }]);
});

test('entries without a resource, and without anything, are written too', () => {
  const entry = [{ resource: patients[0] }, { fullUrl: 'urn:x' }, { response: { status: '204' } }, {}];
  const bundle = { resourceType: 'Bundle' as const, entry };
  const asText = { ...bundle, entry: [{ resource: text(patients[0]!) }, ...entry.slice(1)] } as BundleOf;
  assert.deepEqual(written(asText), bundle);
});
