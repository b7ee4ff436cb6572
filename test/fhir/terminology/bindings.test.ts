import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import path from 'node:path';
import { test } from 'node:test';
import type { Resource } from '../../../src/base/resource.js';
import { createValidator } from '../../../src/fhir/validation/create-validator.js';
import { core, coreTerminology } from './definitions.js';

interface Case {
  readonly resource: Resource;
  readonly expect: 'valid' | 'invalid';
  readonly expression: string | null;
}

const file = path.resolve(import.meta.dirname, '../../../../test/cases/terminology/bindings.ndjson');
const cases = readFileSync(file, 'utf8')
  .split('\n')
  .filter(Boolean)
  .map((line) => JSON.parse(line) as Case);

test('codes are refused where HL7’s validator refuses them, and nowhere else', () => {
  const validator = createValidator({ definitions: core, terminology: coreTerminology });
  const plain = (expression: string) => expression.replace(/\[\d+\]|\.ofType\([^)]*\)/g, '');
  let placed = 0;
  for (const { resource, expect, expression } of cases) {
    const errors = validator
      .validate(resource)
      .filter(({ severity, rule }) => severity === 'error' && /^(binding|code)-/.test(rule ?? ''));
    assert.equal(errors.length > 0 ? 'invalid' : 'valid', expect, JSON.stringify({ resource, errors }));
    if (expression && errors.some((error) => plain(error.expression ?? '').startsWith(plain(expression)))) placed += 1;
  }
  const invalid = cases.filter(({ expect }) => expect === 'invalid').length;
  assert.ok(cases.length > 600 && invalid > 150, `${cases.length} cases, ${invalid} invalid`);
  assert.equal(placed, invalid, 'each at the same element');
});
