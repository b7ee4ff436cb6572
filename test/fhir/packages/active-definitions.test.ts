import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import type { CanonicalResource } from '../../../src/fhir/definitions/types.js';
import { ActiveDefinitions } from '../../../src/fhir/packages/active-definitions.js';
import { core, valueSet } from '../terminology/definitions.js';

const options = { unknownProfile: 'error', bestPractice: false, checkReferenceTypes: true, demanded: {} } as const;
const start = () => new ActiveDefinitions({ packages: [], definitions: core, supplements: [] }, options);

const profile = {
  resourceType: 'StructureDefinition',
  url: 'http://example.org/named-patient',
  name: 'NamedPatient',
  status: 'active',
  fhirVersion: '4.0.1',
  kind: 'resource',
  abstract: false,
  type: 'Patient',
  baseDefinition: 'http://hl7.org/fhir/StructureDefinition/Patient',
  derivation: 'constraint',
  differential: { element: [{ id: 'Patient.name', path: 'Patient.name', min: 1 }] },
} as CanonicalResource;

describe('an uploaded definition', () => {
  const errors = (active: ActiveDefinitions) =>
    active.validator
      .validate({ resourceType: 'Patient', meta: { profile: [profile.url] } })
      .filter(({ severity }) => severity === 'error')
      .map(({ expression }) => expression);

  test('takes effect at once, and ceases to when it is removed', () => {
    const active = start();
    assert.equal(errors(active).length, 1, 'an unknown profile');
    active.put(profile);
    assert.deepEqual(errors(active), ['Patient']);
    active.put({ ...profile, differential: { element: [{ id: 'Patient.gender', path: 'Patient.gender', max: '0' }] } });
    assert.deepEqual(errors(active), [], 'the newer one has replaced it');
    active.remove(profile);
    assert.equal(errors(active).length, 1);
  });

  test('changes answers that were kept, and the old snapshot stays as it was', () => {
    const active = start();
    const before = active.current;
    const url = 'http://hl7.org/fhir/ValueSet/administrative-gender';
    assert.equal(before.terminology.validateCode({ code: 'male' }, url).result, 'in');
    active.put(
      valueSet(url, [
        { system: 'http://hl7.org/fhir/administrative-gender', concept: [{ code: 'female' }] },
      ]) as CanonicalResource,
    );
    assert.equal(active.current.terminology.validateCode({ code: 'male' }, url).result, 'out');
    assert.equal(before.terminology.validateCode({ code: 'male' }, url).result, 'in');
    assert.notEqual(active.current.profileSet.digest, before.profileSet.digest);
  });

  test('tells listeners; other resources do not', () => {
    const active = start();
    let count = 0;
    const types: string[] = [];
    const end = active.onChange((_snapshot, changed) => {
      count += 1;
      types.push(...changed);
    });
    active.put({ resourceType: 'Patient', url: 'http://x' } as CanonicalResource);
    active.put({ resourceType: 'ValueSet' } as unknown as CanonicalResource);
    assert.equal(count, 0);
    active.putAll([profile, { ...profile, url: 'http://example.org/other' }]);
    assert.deepEqual([count, types], [1, ['StructureDefinition']]);
    end();
    active.remove(profile);
    assert.equal(count, 1);
  });

  test('with the same content gives the same ProfileSet on every server, whatever id and time it got there', () => {
    const [a, b] = [start(), start()];
    const { digest } = a.current.profileSet;
    a.put({ ...profile, id: '1', meta: { versionId: '1', lastUpdated: '2024-01-01T00:00:00Z' } } as CanonicalResource);
    b.put({ ...profile, id: '2', meta: { versionId: '7', lastUpdated: '2025-01-01T00:00:00Z' } } as CanonicalResource);
    assert.equal(a.current.profileSet.digest, b.current.profileSet.digest);
    assert.notEqual(a.current.profileSet.digest, digest);
    a.remove(profile);
    assert.equal(a.current.profileSet.digest, digest);
  });
});
