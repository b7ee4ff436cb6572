import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { FhirError } from '../../src/base/outcome.js';
import { CatalogUnavailable, SearchTooCostly } from '../../src/commit/catalog.js';
import { ConsentUndecidable } from '../../src/consent/gate.js';
import { renderError } from '../../src/fhir/outcome.js';

const firstIssue = (error: unknown) => {
  const { status, outcome, headers, isDefect } = renderError(error, 'request-1');
  const [issue] = outcome.issue as { code: string; diagnostics: string }[];
  return { status, code: issue.code, diagnostics: issue.diagnostics, retry: headers['Retry-After'], isDefect };
};

describe('errors as OperationOutcomes', () => {
  it('keep status, issues, places and positions of a FhirError', () => {
    const issue = {
      severity: 'error',
      code: 'value',
      diagnostics: 'No.',
      expression: 'Patient.id',
      line: 3,
      column: 7,
      rule: 'r',
    } as const;
    const { status, outcome } = renderError(new FhirError(422, [issue]), 'request-1');
    assert.equal(status, 422);
    assert.deepEqual(outcome.issue, [
      {
        extension: [
          { url: 'http://hl7.org/fhir/StructureDefinition/operationoutcome-issue-line', valueInteger: 3 },
          { url: 'http://hl7.org/fhir/StructureDefinition/operationoutcome-issue-col', valueInteger: 7 },
        ],
        severity: 'error',
        code: 'value',
        details: { coding: [{ system: 'https://mooring.example/fhir/CodeSystem/rule', code: 'r' }] },
        diagnostics: 'No.',
        expression: ['Patient.id'],
      },
    ]);
  });

  it('a contract that cannot be asked is 503 with Retry-After, a search too costly is 400', () => {
    const away = firstIssue(new ConsentUndecidable('no chain'));
    assert.deepEqual([away.status, away.code, away.retry, away.isDefect], [503, 'transient', '5', false]);
    const costly = firstIssue(new SearchTooCostly(1));
    assert.deepEqual([costly.status, costly.code, costly.retry], [400, 'too-costly', undefined]);
  });

  it('a full disk is 507, a read-only one 503, and any other reason why a store cannot write 503 as transient', () => {
    const full = ['blocks could not be written: ENOSPC: no space left on device, write', 'database or disk is full'];
    for (const message of full) {
      const { status, code, retry } = firstIssue(new CatalogUnavailable(message));
      assert.deepEqual([status, code, retry], [507, 'no-store', '30']);
    }
    const readOnly = firstIssue(new CatalogUnavailable('attempt to write a readonly database'));
    assert.deepEqual([readOnly.status, readOnly.code], [503, 'no-store']);
    const away = firstIssue(new CatalogUnavailable('the writer has ended'));
    assert.deepEqual([away.status, away.code], [503, 'transient']);
  });

  it('what nobody foresaw is 500, names the request and nothing else', () => {
    const { status, code, diagnostics, isDefect } = firstIssue(new TypeError('secret content'));
    assert.deepEqual([status, code, isDefect], [500, 'exception', true]);
    assert.match(diagnostics, /request-1/);
    assert.ok(!diagnostics.includes('secret'));
  });
});
