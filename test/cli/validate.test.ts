import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { after, describe, test } from 'node:test';

const folder = mkdtempSync(path.join(tmpdir(), 'mooring-validate-'));
after(() => rmSync(folder, { recursive: true, force: true }));
const command = path.resolve(import.meta.dirname, '../../src/cli/mooring.js');
const packages = path.resolve(import.meta.dirname, '../../../../shared/packages');

function file(name: string, content: string): string {
  const location = path.join(folder, name);
  writeFileSync(location, content);
  return location;
}

function mooring(args: readonly string[], input?: string): { status: number | null; out: string; err: string } {
  const { status, stdout, stderr } = spawnSync(process.execPath, [command, 'validate', ...args], {
    encoding: 'utf8',
    input,
  });
  return { status, out: stdout, err: stderr };
}

const good = file('good.json', '{"resourceType": "Patient", "gender": "male"}');
const bad = file('bad.json', '{\n  "resourceType": "Patient",\n  "gender": "mal"\n}');

describe('mooring validate', () => {
  test('ends with 0 for valid files and says so', () => {
    const { status, out } = mooring([good]);
    assert.equal(status, 0);
    assert.match(out, /good\.json: valid\n1 resources: 1 valid, 0 invalid; 0 errors/);
  });

  test('ends with 1 for an invalid one, naming element, line, column and reason', () => {
    const { status, out } = mooring([good, bad]);
    assert.equal(status, 1);
    assert.match(
      out,
      /bad\.json: INVALID\n {2}error {7}Patient\.gender \(line 3, column 3\)\n +'mal' is not in the value set/,
    );
  });

  test('reads XML, and NDJSON line by line', () => {
    const xml = file('patient.xml', '<Patient xmlns="http://hl7.org/fhir">\n  <gender value="mal"/>\n</Patient>');
    const lines = file('two.ndjson', '{"resourceType":"Patient"}\n\n{"resourceType":"Patient","birthDate":"x"}\n');
    const { status, out } = mooring([xml, lines]);
    assert.equal(status, 1);
    assert.match(out, /patient\.xml: INVALID\n.*Patient\.gender \(line 2, column 3\)/);
    assert.match(out, /two\.ndjson:1: valid\n.*two\.ndjson:3: INVALID\n.*Patient\.birthDate \(line 3, column 27\)/s);
  });

  test('text that is no resource is one error with its place', () => {
    const { status, out } = mooring([file('broken.json', '{\n "resourceType": \n}')]);
    assert.equal(status, 1);
    assert.match(out, /fatal .*\(line 3, column 1\)/);
  });

  test('prints OperationOutcomes as JSON, of standard input as well', () => {
    const { status, out } = mooring(['-', '--json'], '{"resourceType":"Patient","gender":"mal"}');
    assert.equal(status, 1);
    const [first] = JSON.parse(out) as {
      file: string;
      valid: boolean;
      outcome: { issue: { expression: string[] }[] };
    }[];
    assert.deepEqual([first.file, first.valid, first.outcome.issue[0].expression], ['-', false, ['Patient.gender']]);
  });

  test('checks against a profile of a package, of a file, and refuses one that is not at hand', () => {
    const profile = 'http://hl7.org/fhir/us/core/StructureDefinition/us-core-patient';
    const { status, out, err } = mooring([
      good,
      '--package',
      path.join(packages, 'hl7.fhir.us.core-6.1.0.tgz'),
      '--profile',
      profile,
    ]);
    assert.equal(status, 1);
    assert.match(out, /error +Patient/);
    assert.match(err, /note: hl7\.fhir\.us\.core#6\.1\.0 depends on/);
    assert.equal(mooring([good, '--profile', profile]).status, 1);
    assert.equal(mooring([good, '--profile', profile, '--unknown-profile', 'warning']).status, 0);
    const own = file(
      'own.json',
      JSON.stringify({
        resourceType: 'StructureDefinition',
        url: 'http://example.org/p',
        name: 'P',
        status: 'draft',
        kind: 'resource',
        abstract: false,
        type: 'Patient',
        baseDefinition: 'http://hl7.org/fhir/StructureDefinition/Patient',
        derivation: 'constraint',
        differential: { element: [{ id: 'Patient.birthDate', path: 'Patient.birthDate', min: 1 }] },
      }),
    );
    assert.equal(mooring([good, '--package', own, '--profile', 'http://example.org/p']).status, 1);
    assert.equal(mooring([good, '--package', own]).status, 0);
  });

  for (const [name, args] of [
    ['no file', []],
    ['a file that is not there', ['/nowhere/at/all.json']],
    ['an unknown option', [good, '--nonsense']],
    ['an odd choice', [good, '--unknown-profile', 'maybe']],
    ['a package that is none', [good, '--package', bad.replace('bad.json', 'none.tgz')]],
  ] as const) {
    test(`ends with 2 for ${name}`, () => {
      const { status, err } = mooring(args);
      assert.equal(status, 2);
      assert.match(err, /^mooring validate: .+\n\nUsage: mooring validate/);
    });
  }
});
