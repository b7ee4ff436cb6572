import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { grantFor, parseScope } from '../../src/smart/scopes.js';

describe('SMART scopes', () => {
  const cases: [string, ReturnType<typeof parseScope>][] = [
    ['patient/Observation.rs', { level: 'patient', resourceType: 'Observation', permissions: 'rs' }],
    ['system/*.cruds', { level: 'system', resourceType: '*', permissions: 'cruds' }],
    ['user/*.read', { level: 'user', resourceType: '*', permissions: 'rs' }],
    ['user/Patient.write', { level: 'user', resourceType: 'Patient', permissions: 'cud' }],
    ['patient/*.*', { level: 'patient', resourceType: '*', permissions: 'cruds' }],
    [
      'patient/Observation.rs?category=laboratory',
      { level: 'patient', resourceType: 'Observation', permissions: 'rs', filter: 'category=laboratory' },
    ],
    ['patient/Observation.sr', undefined],
    ['patient/Observation.', undefined],
    ['patient/Observation', undefined],
    ['openid', undefined],
    ['launch/patient', undefined],
  ];
  for (const [text, expected] of cases) {
    it(`"${text}" is ${expected === undefined ? 'no clinical scope' : 'understood'}`, () => {
      assert.deepEqual(parseScope(text), expected);
    });
  }

  it('a read scope grants read and search and refuses create', () => {
    const scopes = ['system/Patient.read'];
    assert.deepEqual(grantFor(scopes, undefined, 'Patient', 'r'), { kind: 'all' });
    assert.deepEqual(grantFor(scopes, undefined, 'Patient', 's'), { kind: 'all' });
    assert.deepEqual(grantFor(scopes, undefined, 'Patient', 'c'), { kind: 'none' });
    assert.deepEqual(grantFor(scopes, undefined, 'Observation', 'r'), { kind: 'none' });
  });

  it('a patient scope holds within the compartment of the patient in context, and for nothing without one', () => {
    const scopes = ['patient/*.rs'];
    assert.deepEqual(grantFor(scopes, 'p1', 'Observation', 'r'), {
      kind: 'some',
      alternatives: [{ patientOnly: true }],
    });
    assert.deepEqual(grantFor(scopes, undefined, 'Observation', 'r'), { kind: 'none' });
  });

  it('granular scopes add up as alternatives, and a plain one beside them makes them pointless', () => {
    const granular = ['user/Observation.rs?category=laboratory', 'user/Observation.rs?category=vital-signs'];
    assert.deepEqual(grantFor(granular, undefined, 'Observation', 's'), {
      kind: 'some',
      alternatives: [
        { patientOnly: false, filter: 'category=laboratory' },
        { patientOnly: false, filter: 'category=vital-signs' },
      ],
    });
    assert.deepEqual(grantFor([...granular, 'user/*.s'], undefined, 'Observation', 's'), { kind: 'all' });
  });
});
