import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { createRequire } from 'node:module';
import { describe, test } from 'node:test';
import { toHex } from '../../../src/base/bytes.js';
import type { Issue } from '../../../src/base/outcome.js';
import { noteCoverage } from '../../../src/fhir/validation/coverage.js';
import { Receipts } from '../../../src/fhir/validation/receipt.js';

const canonicalize = createRequire(import.meta.url)('canonicalize') as (value: unknown) => string;
const profileSet = 'ab'.repeat(32);
const patient = { resourceType: 'Patient' };

function verdict(bindings: number, bindingsChecked: number, ...issues: Issue[]): Issue[] {
  noteCoverage(issues, { bindings, bindingsChecked });
  return issues;
}

const issue = (severity: Issue['severity'], rule: string, expression: string): Issue => ({
  severity,
  code: 'invariant',
  rule,
  expression,
  diagnostics: `free text ${Math.random()}`,
});

describe('a receipt', () => {
  test('is the canonical JSON of the verdict, and its digest is that of the text', () => {
    const { text, receiptDigest } = new Receipts(profileSet).of(
      { ...patient, meta: { profile: ['http://b', 'http://a', 'http://b'] } },
      verdict(3, 2, issue('warning', 'dom-6', 'Patient'), issue('information', 'hint', 'Patient.x')),
      ['http://é"\u0001'],
    );
    assert.equal(text, canonicalize(JSON.parse(text)));
    assert.deepEqual(JSON.parse(text), {
      coverage: { bindings: 3, bindingsChecked: 2 },
      format: 'mooring-receipt-1',
      issues: [{ code: 'invariant', expression: 'Patient', rule: 'dom-6', severity: 'warning' }],
      level: 2,
      profileSet,
      profiles: ['http://a', 'http://b', 'http://é"\u0001'],
      resourceType: 'Patient',
    });
    assert.equal(toHex(receiptDigest), createHash('sha256').update(text, 'utf8').digest('hex'));
  });

  test('does not show the order in which a validator looked, its wording, or what it said twice', () => {
    const [a, b] = [issue('warning', 'w-1', 'Patient.name[0]'), issue('warning', 'w-2', 'Patient')];
    const one = new Receipts(profileSet).of(patient, verdict(0, 0, a, b));
    const other = new Receipts(profileSet).of(patient, verdict(0, 0, issue('warning', 'w-2', 'Patient'), a, a));
    assert.equal(one.text, other.text);
  });

  test('differs with type, profiles, coverage, issues and ProfileSet', () => {
    const receipts = new Receipts(profileSet);
    const digests = [
      receipts.of(patient, verdict(0, 0)),
      receipts.of({ resourceType: 'Person' }, verdict(0, 0)),
      receipts.of({ ...patient, meta: { profile: ['http://a'] } }, verdict(0, 0)),
      receipts.of(patient, verdict(1, 1)),
      receipts.of(patient, verdict(0, 0, issue('warning', 'w', 'Patient'))),
      receipts.of(patient, verdict(0, 0, issue('error', 'w', 'Patient'))),
      new Receipts('cd'.repeat(32)).of(patient, verdict(0, 0)),
    ].map(({ receiptDigest }) => toHex(receiptDigest));
    assert.equal(new Set(digests).size, digests.length);
  });

  const levels: readonly [level: number, why: string, issues: Issue[]][] = [
    [3, 'nothing is wrong and every binding was checked', verdict(2, 2)],
    [3, 'there is no binding at all', verdict(0, 0)],
    [2, 'a binding could not be checked', verdict(2, 1, issue('warning', 'binding-unchecked', 'Patient.x'))],
    [1, 'a declared profile is not at hand', verdict(2, 2, issue('warning', 'profile-unknown', 'Patient'))],
    [0, 'a rule is broken', verdict(2, 2, issue('error', 'pat-1', 'Patient'))],
    [0, 'the text is not even a resource', verdict(0, 0, issue('fatal', 'not-an-object', 'Patient'))],
  ];
  for (const [level, why, issues] of levels) {
    test(`has level ${level} when ${why}`, () =>
      assert.equal(new Receipts(profileSet).of(patient, issues).level, level));
  }

  test('a list of issues that no validator made is never taken as fully checked', () => {
    assert.equal(new Receipts(profileSet).of(patient, [issue('warning', 'binding-unchecked', 'Patient.x')]).level, 2);
  });
});
