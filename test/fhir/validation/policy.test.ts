import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { ActiveDefinitions } from '../../../src/fhir/packages/active-definitions.js';
import type { Resource } from '../../../src/base/resource.js';
import { core } from '../terminology/definitions.js';

const base = { unknownProfile: 'error', bestPractice: false, checkReferenceTypes: true, demanded: {} } as const;
const active = (policy: object) =>
  new ActiveDefinitions({ packages: [], definitions: core, supplements: [] }, { ...base, ...policy });
const bmi = 'http://hl7.org/fhir/StructureDefinition/bmi';
const observation: Resource = { resourceType: 'Observation', status: 'final', code: { text: 'x' } };
const errors = (policy: object, resource = observation, options = {}) =>
  active(policy)
    .validator.validate(resource, options)
    .filter(({ severity }) => severity === 'error').length;

describe('the policy of the operator', () => {
  test('demands profiles of a type, beside those that an instance declares', () => {
    assert.equal(errors({}), 0);
    assert.ok(errors({ demanded: { Observation: [bmi] } }) > 0);
    assert.equal(errors({ demanded: { Patient: [bmi] } }), 0);
    assert.equal(
      errors({ demanded: {} }, { ...observation, resourceType: 'constructor' }),
      1,
      'an unknown type, no more',
    );
  });

  test('the demanded profiles stand in the receipt', () => {
    const definitions = active({ demanded: { Observation: [bmi] } });
    const receipt = definitions.current.receipts.of(observation, definitions.validator.validate(observation));
    assert.deepEqual((JSON.parse(receipt.text) as { profiles: string[] }).profiles, [bmi]);
    assert.equal(receipt.level, 0);
  });

  test('may refuse a write that has warnings, and only a write', () => {
    const warned = { ...observation, code: { coding: [{ system: 'http://example.org/unknown', code: 'x' }] } };
    assert.equal(errors({ refusedSeverity: 'warning' }, warned), 0);
    assert.ok(errors({ refusedSeverity: 'warning' }, warned, { mode: 'create' }) > 0);
    assert.equal(errors({ refusedSeverity: 'error' }, warned, { mode: 'create' }), 0);
    assert.equal(errors({ refusedSeverity: 'warning' }, observation, { mode: 'create' }), 0);
  });

  test('says what an unknown declared profile is; a caller may say otherwise', () => {
    const declared = { ...observation, meta: { profile: ['http://example.org/nowhere'] } };
    assert.equal(errors({ unknownProfile: 'error' }, declared), 1);
    assert.equal(errors({ unknownProfile: 'warning' }, declared), 0);
    assert.equal(errors({ unknownProfile: 'warning' }, declared, { unknownProfile: 'error' }), 1);
  });

  test('keeps best practice off unless it is wanted', () => {
    const rules = (bestPractice: boolean) =>
      active({ bestPractice })
        .validator.validate(observation)
        .filter(({ severity }) => severity === 'warning').length;
    assert.ok(rules(true) > rules(false));
  });
});
