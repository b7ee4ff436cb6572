import { after, describe, it } from 'node:test';
import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { toHex } from '../../src/base/bytes.js';
import { createLog } from '../../src/base/log.js';
import type { Resource } from '../../src/base/resource.js';
import type { Briefing } from '../../src/anchoring/validator-node/briefing.js';
import { readConfig } from '../../src/config.js';
import { Judges } from '../../src/wiring/judges.js';
import { fhirPackage } from '../fhir/packages/archive.js';

const profile = {
  resourceType: 'StructureDefinition',
  url: 'http://example.org/p',
  name: 'P',
  status: 'active',
  kind: 'resource',
  abstract: false,
  type: 'Patient',
  baseDefinition: 'http://hl7.org/fhir/StructureDefinition/Patient',
  derivation: 'constraint',
  differential: {
    element: [
      {
        id: 'Patient.maritalStatus',
        path: 'Patient.maritalStatus',
        min: 1,
        binding: { strength: 'required', valueSet: 'http://example.org/vs' },
      },
    ],
  },
};
const valueSet = {
  resourceType: 'ValueSet',
  url: 'http://example.org/vs',
  status: 'active',
  compose: { include: [{ system: 'http://example.org/cs', concept: [{ code: 'one' }] }] },
};
const codeSystem = {
  resourceType: 'CodeSystem',
  url: 'http://example.org/cs',
  status: 'active',
  content: 'complete',
  concept: [{ code: 'one' }, { code: 'two' }],
};

describe('a validator with another copy of a package', () => {
  const folder = mkdtempSync(path.join(tmpdir(), 'mooring-judges-'));
  after(() => rmSync(folder, { recursive: true }));
  const file = path.join(folder, 'p.tgz');
  const briefing: Briefing = { ticket: new Uint8Array(32), baseUrl: 'http://x/fhir', definitions: [], leaves: [] };

  function judgesOf(...resources: object[]): Judges {
    writeFileSync(file, fhirPackage('example', '1.0.0', resources));
    const blocks = { fetch: () => Promise.resolve(new Map<string, Uint8Array>()) };
    const log = createLog('silent', () => undefined);
    return new Judges(readConfig({ PACKAGES: file }), blocks, log);
  }

  /** `found` in the text of a resource, replaced. */
  const flipped = (resource: object, found: string, by: string): object => {
    const text = JSON.stringify(resource);
    assert.ok(text.includes(found) && found.length === by.length);
    return JSON.parse(text.replace(found, by)) as object;
  };

  it('has the same ProfileSet when it is the same to the byte, and judges under it', async () => {
    const [one, other] = [judgesOf(profile, valueSet, codeSystem), judgesOf(profile, valueSet, codeSystem)];
    assert.equal(toHex(one.profileSet), toHex(other.profileSet));
    const judge = await other.under(`0x${toHex(one.profileSet)}`, briefing);
    const patient = (code: string) =>
      ({
        resourceType: 'Patient',
        meta: { profile: ['http://example.org/p'] },
        maritalStatus: { coding: [{ system: 'http://example.org/cs', code }] },
      }) as unknown as Resource;
    assert.deepEqual(
      [(await judge?.judge(patient('one')))?.isValid, (await judge?.judge(patient('two')))?.isValid],
      [true, false],
    );
  });

  it('has another one, and signs nothing under the network’s, when one byte of profile, value set or code system differs', async () => {
    const agreed = judgesOf(profile, valueSet, codeSystem).profileSet;
    const copies = [
      [flipped(profile, '"min":1', '"min":0'), valueSet, codeSystem],
      [profile, flipped(valueSet, '"one"', '"ons"'), codeSystem],
      [profile, valueSet, flipped(codeSystem, '"two"', '"twp"')],
    ];
    for (const copy of copies) {
      const judges = judgesOf(...copy);
      assert.notEqual(toHex(judges.profileSet), toHex(agreed));
      assert.equal(await judges.under(`0x${toHex(agreed)}`, briefing), undefined);
    }
  });
});
