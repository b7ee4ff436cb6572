import assert from 'node:assert/strict';
import { existsSync, readFileSync } from 'node:fs';
import { describe, it } from 'node:test';
import { parseJson, stringifyJson } from '../../../src/base/json.js';
import { FhirError } from '../../../src/base/outcome.js';
import { applyJsonPatch } from '../../../src/fhir/patch/json-patch.js';

interface Case {
  comment: string;
  doc: unknown;
  patch: unknown;
  expected?: unknown;
  error?: string;
}

const corpus = new URL('../../../../../shared/corpus/patch/json-patch-tests.json', import.meta.url);

describe('JSON Patch', () => {
  const cases = existsSync(corpus) ? (JSON.parse(readFileSync(corpus, 'utf8')) as Case[]) : [];
  for (const { comment, doc, patch, expected, error } of cases) {
    it(`official case: ${comment}`, () => {
      if (error !== undefined) assert.throws(() => applyJsonPatch(doc, patch), FhirError);
      else assert.deepEqual(applyJsonPatch(doc, patch), expected);
    });
  }

  it('keeps the exact text of decimals, of the document and of the patch', () => {
    const document = parseJson('{"valueQuantity":{"value":1.50},"other":{"value":2.0}}');
    const patch = parseJson('[{"op":"replace","path":"/valueQuantity/value","value":7.00}]');
    assert.equal(
      stringifyJson(applyJsonPatch(document, patch)),
      '{"valueQuantity":{"value":7.00},"other":{"value":2.0}}',
    );
    const move = parseJson('[{"op":"move","from":"/other/value","path":"/moved"}]');
    assert.equal(
      stringifyJson(applyJsonPatch(document, move)),
      '{"valueQuantity":{"value":1.50},"other":{},"moved":2.0}',
    );
  });

  it('a failing test changes nothing and is 422; a patch that is no array is 400', () => {
    const document = { active: true };
    const patch = [
      { op: 'replace', path: '/active', value: false },
      { op: 'test', path: '/active', value: true },
    ];
    assert.throws(() => applyJsonPatch(document, patch), { status: 422 });
    assert.deepEqual(document, { active: true });
    assert.deepEqual(applyJsonPatch(document, patch.slice(0, 1)), { active: false });
    assert.throws(() => applyJsonPatch(document, { op: 'add' }), { status: 400 });
  });

  it('copies of copies end before they fill the memory; a few copies are made', () => {
    const copies = (count: number) =>
      Array.from({ length: count }, (_, at) => ({ op: 'copy', from: '', path: `/a${at}` }));
    assert.throws(() => applyJsonPatch({ active: true }, copies(40)), { status: 400, message: /copies of more than/ });
    assert.equal(Object.keys(applyJsonPatch({ active: true }, copies(8))).length, 9);
    const tests = Array.from({ length: 2_001 }, () => ({ op: 'test', path: '/active', value: true }));
    assert.throws(() => applyJsonPatch({ active: true }, tests), { status: 400, message: /more than 2000 operations/ });
    assert.deepEqual(applyJsonPatch({ active: true }, tests.slice(1)), { active: true });
  });
});
