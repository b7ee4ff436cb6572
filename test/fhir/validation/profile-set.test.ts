import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import path from 'node:path';
import { describe, test } from 'node:test';
import { makeCoreFacts, readCoreFacts, coreFolder } from '../../../src/fhir/validation/core-facts.js';
import { makeProfileSet } from '../../../src/fhir/validation/profile-set.js';
import { loadPackages } from '../../../src/fhir/packages/load-packages.js';
import type { CanonicalResource } from '../../../src/fhir/definitions/types.js';
import { createTerminology } from '../../../src/fhir/terminology/terminology.js';
import { core, coreTerminology, valueSet } from '../terminology/definitions.js';

const options = { unknownProfile: 'warning', bestPractice: false, checkReferenceTypes: true, demanded: {} } as const;
const facts = readCoreFacts();
const coreSet = makeProfileSet({
  definitions: core,
  terminology: coreTerminology,
  packages: [],
  uploads: [],
  core: facts,
  options,
});

describe('the ProfileSet', () => {
  test('expansions.json holds what the definitions give', () => {
    const made = makeCoreFacts(core, coreTerminology);
    const stored = JSON.parse(readFileSync(path.join(coreFolder, 'expansions.json'), 'utf8')) as object;
    assert.deepEqual(stored, JSON.parse(JSON.stringify(made)), 'run node tools/r4/expansions.mjs');
  });

  test('names validator, core, packages, expansions, registries and options', () => {
    const { packages, definitions, supplements } = loadPackages(
      [path.resolve(import.meta.dirname, '../../../../../shared/packages')],
      core,
    );
    const terminology = createTerminology(definitions, supplements);
    const { text } = makeProfileSet({
      definitions,
      terminology,
      packages,
      uploads: [],
      core: facts,
      options: { ...options, demanded: { Patient: ['http://b', 'http://a'] } },
    });
    const manifest = JSON.parse(text) as { packages: object[]; expansions: { url: string }[]; [part: string]: unknown };
    assert.deepEqual(Object.keys(manifest), [
      'core',
      'expansions',
      'format',
      'options',
      'packages',
      'registries',
      'uploads',
      'validator',
    ]);
    assert.deepEqual(
      manifest.packages.map((one) => Object.keys(one)),
      [
        ['digest', 'name', 'version'],
        ['digest', 'name', 'version'],
      ],
    );
    assert.ok(
      manifest.expansions.some(({ url }) => url === 'http://hl7.org/fhir/us/core/ValueSet/us-core-condition-code') ===
        false,
      'SNOMED CT cannot be listed',
    );
    assert.ok(manifest.expansions.some(({ url }) => url.startsWith('http://hl7.org/fhir/uv/ips/')));
    assert.deepEqual(manifest.options, {
      bestPractice: false,
      checkReferenceTypes: true,
      demanded: { Patient: ['http://a', 'http://b'] },
      unknownProfile: 'warning',
    });
  });

  test('changes with an option, an uploaded profile, and a value set that is laid over a core one', () => {
    const parts = { packages: [], core: facts, options };
    const upload = valueSet('http://hl7.org/fhir/ValueSet/administrative-gender', [
      { system: 'http://hl7.org/fhir/administrative-gender', concept: [{ code: 'male' }] },
    ]) as CanonicalResource;
    const definitions = core.with([upload]);
    const changed = makeProfileSet({
      ...parts,
      definitions,
      terminology: createTerminology(definitions),
      uploads: [upload],
    });
    const expansion = (text: string) =>
      (JSON.parse(text) as { expansions: { url: string; codes: number }[] }).expansions.find(
        ({ url }) => url === upload.url,
      )?.codes;
    assert.deepEqual([expansion(coreSet.text), expansion(changed.text)], [4, 1]);
    const strict = makeProfileSet({
      ...parts,
      definitions: core,
      terminology: coreTerminology,
      uploads: [],
      options: { ...options, unknownProfile: 'error' },
    });
    assert.equal(new Set([coreSet.digest, changed.digest, strict.digest]).size, 3);
  });

  test('is the same in every locale, time zone and under memory pressure', () => {
    const script = `
      const base = ${JSON.stringify(path.resolve(import.meta.dirname, '../../../src/fhir'))};
      const { loadDefinitions } = await import(base + '/definitions/definitions.js');
      const { ActiveDefinitions } = await import(base + '/packages/active-definitions.js');
      const active = new ActiveDefinitions({ packages: [], definitions: loadDefinitions(), supplements: [] }, ${JSON.stringify(options)});
      const patient = { resourceType: 'Patient', birthDate: '2020-02-30', maritalStatus: { coding: [{ system: 'http://snomed.info/sct', code: '1' }] } };
      const receipt = active.current.receipts.of(patient, active.validator.validate(patient));
      console.log(active.current.profileSet.digest, Buffer.from(receipt.receiptDigest).toString('hex'));`;
    const environments = [
      { TZ: 'UTC', LANG: 'C' },
      { TZ: 'Pacific/Kiritimati', LANG: 'tr_TR.UTF-8', LC_ALL: 'tr_TR.UTF-8' },
      { TZ: 'America/St_Johns', LANG: 'de_DE.UTF-8', LC_ALL: 'de_DE.UTF-8', NODE_OPTIONS: '--max-old-space-size=200' },
    ];
    const outputs = environments.map((environment) =>
      execFileSync(process.execPath, ['--input-type=module', '-e', script], {
        env: { PATH: process.env.PATH, ...environment },
        encoding: 'utf8',
      }),
    );
    assert.match(outputs[0], new RegExp(`^${coreSet.digest} [0-9a-f]{64}\n$`));
    assert.deepEqual(outputs, [outputs[0], outputs[0], outputs[0]]);
  });
});
