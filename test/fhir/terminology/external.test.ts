import assert from 'node:assert/strict';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { after, before, describe, test } from 'node:test';
import { ExternalAnswers, validateSettled } from '../../../src/fhir/terminology/external.js';
import { HttpTerminology } from '../../../src/fhir/terminology/http-terminology.js';
import { createTerminology } from '../../../src/fhir/terminology/terminology.js';
import { createValidator } from '../../../src/fhir/validation/create-validator.js';
import { core } from './definitions.js';

const snomed = 'http://snomed.info/sct';
const patient = (code: string) => ({
  resourceType: 'Condition',
  code: { coding: [{ system: snomed, code }] },
  severity: { coding: [{ system: 'http://loinc.org', code: 'LA-1' }] },
  subject: { reference: 'Patient/1' },
});

describe('another terminology server', () => {
  let server: Server;
  let url: string;
  const asked: string[] = [];
  let mode: 'normal' | 'slow' | 'broken' = 'normal';

  before(async () => {
    // Knows SNOMED CT's 73211009 and nothing else; has never heard of LOINC.
    server = createServer((request, response) => {
      const target = new URL(request.url ?? '', 'http://localhost');
      asked.push(decodeURIComponent(request.url ?? ''));
      if (mode === 'slow') return;
      if (mode === 'broken') {
        response.end('<html>');
        return;
      }
      const isSnomed = [target.searchParams.get('url'), target.searchParams.get('system')].includes(snomed);
      const answer = isSnomed
        ? {
            resourceType: 'Parameters',
            parameter: [{ name: 'result', valueBoolean: target.searchParams.get('code') === '73211009' }],
          }
        : { resourceType: 'OperationOutcome', issue: [{ severity: 'error', code: 'not-found' }] };
      response.writeHead(isSnomed ? 200 : 404, { 'content-type': 'application/fhir+json' });
      response.end(JSON.stringify(answer));
    });
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  });
  after(() => {
    server.closeAllConnections();
    server.close();
  });

  function setUp(timeoutMs = 2000) {
    let now = 0;
    const clock = { now: () => now };
    const answers = new ExternalAnswers(new HttpTerminology({ url, timeoutMs }), clock, {
      timeoutMs,
      keepMs: 1000,
      retryMs: 100,
    });
    const terminology = createTerminology(core, [], answers);
    const validator = createValidator({ definitions: core, terminology });
    asked.length = 0;
    const rules = async (code: string) =>
      (await validateSettled(validator, answers, patient(code))).map(({ rule, expression }) => `${rule} ${expression}`);
    return { rules, validator, pass: (ms: number) => (now += ms) };
  }

  test('decides about the codes that are unknown here, and is asked once', async () => {
    mode = 'normal';
    const { rules } = setUp();
    const open = await rules('73211009');
    assert.ok(
      !open.some((text) => text.startsWith('code-') && text.includes('Condition.code')),
      'a code that it knows passes',
    );
    assert.ok(
      open.some((text) => text.startsWith('code-unchecked')),
      'LOINC stays unchecked, and that is said',
    );
    const count = asked.length;
    assert.ok(
      count > 0 && asked.some((path) => path === `/CodeSystem/$validate-code?url=${snomed}&code=73211009`),
      asked.join(),
    );
    await rules('73211009');
    assert.equal(asked.length, count);
  });

  test('a code that it does not find is an error', async () => {
    mode = 'normal';
    const found = await setUp().rules('1');
    assert.ok(
      found.some((text) => text.startsWith('code-unknown Condition.code')),
      found.join(),
    );
  });

  test('answers are kept for a while, and asked for again afterwards', async () => {
    mode = 'normal';
    const { rules, pass } = setUp();
    await rules('73211009');
    const count = asked.length;
    pass(2000);
    await rules('73211009');
    assert.ok(asked.length > count);
  });

  for (const failure of ['slow', 'broken'] as const) {
    test(`one that is ${failure} leaves the code unchecked, within the time allowed`, async () => {
      mode = failure;
      const found = await setUp(150).rules('73211009');
      assert.ok(
        found.some((text) => text.startsWith('code-unchecked Condition.code')),
        found.join(),
      );
    });
  }

  test('is not asked by a plain validation', () => {
    mode = 'normal';
    const { validator } = setUp();
    assert.ok(validator.validate(patient('1')).some(({ rule }) => rule === 'code-unchecked'));
    assert.equal(asked.length, 0);
  });
});
