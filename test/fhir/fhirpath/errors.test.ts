/** What is no FHIRPath, or can mean nothing, is said at compile, with the offset. */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { compileFhirPath, FhirPathError } from '../../../src/fhir/fhirpath/fhirpath.js';
import { model } from './support.js';

describe('errors', () => {
  const thrown = (expression: string, strict = false) => {
    try {
      compileFhirPath(expression, model, { type: 'Patient', strict });
    } catch (error) {
      assert.ok(error instanceof FhirPathError);
      return [error.kind, error.position];
    }
    return undefined;
  };

  it('of syntax tell the offset', () => {
    assert.deepEqual(thrown('name.'), ['syntax', 5]);
    assert.deepEqual(thrown("name = 'x"), ['syntax', 7]);
    assert.deepEqual(thrown('name ; use'), ['syntax', 5]);
    assert.deepEqual(thrown('@2020-13-01'), ['syntax', 0]);
    assert.deepEqual(thrown('('.repeat(1000)), ['syntax', 200]);
  });

  it('of meaning are found at compile', () => {
    assert.deepEqual(thrown('name.foo()'), ['semantic', 5]);
    assert.deepEqual(thrown('name.first(1)'), ['semantic', 5]);
    assert.deepEqual(thrown('name.ofType(Nothing)'), ['semantic', 12]);
    assert.deepEqual(thrown('name is Nothing'), ['semantic', 5]);
  });

  it('of unknown elements are for the strict mode', () => {
    assert.deepEqual(thrown('name.foo', true), ['semantic', 5]);
    assert.equal(thrown('name.foo'), undefined);
    assert.equal(thrown('name.given', true), undefined);
  });
});
