import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { describe, it } from 'node:test';
import { gunzipSync } from 'node:zlib';
import { loadDefinitions } from '../../../src/fhir/definitions/definitions.js';
import type { ValueSet } from '../../../src/fhir/definitions/types.js';

const here = fileURLToPath(import.meta.url);
const folder = path.join(here.slice(0, here.lastIndexOf(`${path.sep}dist${path.sep}`)), 'profiles', 'r4-core');
const definitions = loadDefinitions();

describe('R4 definitions', () => {
  it('are complete: 649 structures, 1316 value sets, 1062 code systems, 1375 search parameters, 146 resource types', () => {
    const count = (kind: string) => [...definitions.entries(kind)].length;
    assert.deepEqual(
      ['StructureDefinition', 'ValueSet', 'CodeSystem', 'SearchParameter', 'OperationDefinition'].map(count),
      [649, 1316, 1062, 1375, 46],
    );
    assert.equal(definitions.resourceTypes.size, 146);
    assert.ok(definitions.resourceTypes.has('Patient') && !definitions.resourceTypes.has('DomainResource'));
  });

  it('are the bytes that digests.json names', () => {
    const { files } = JSON.parse(readFileSync(path.join(folder, 'digests.json'), 'utf8')) as {
      files: { file: string; sha256: string }[];
    };
    assert.equal(files.length, 6);
    for (const { file, sha256 } of files) {
      const content = gunzipSync(readFileSync(path.join(folder, `${file}.gz`)));
      assert.equal(createHash('sha256').update(content).digest('hex'), sha256, file);
    }
  });

  it('are found by type name, by URL and by URL with version, but not by another version', () => {
    const url = 'http://hl7.org/fhir/StructureDefinition/Patient';
    assert.equal(definitions.structureDefinition('Patient')?.url, url);
    assert.equal(definitions.structureDefinition(`${url}|4.0.1`)?.url, url);
    assert.equal(definitions.structureDefinition(`${url}|5.0.0`), undefined);
    assert.equal(definitions.structureDefinition('NoSuchType'), undefined);
  });

  it('hold what validation needs: invariants, bindings, fixed values, contexts of extensions', () => {
    const observation = definitions.structureDefinition('Observation')?.snapshot?.element ?? [];
    assert.ok(observation[0].constraint?.some(({ key }) => key === 'obs-7'));
    const status = observation.find((element) => element.path === 'Observation.status');
    assert.deepEqual(status?.binding, {
      strength: 'required',
      valueSet: 'http://hl7.org/fhir/ValueSet/observation-status|4.0.1',
    });
    const birthPlace = definitions.structureDefinition('http://hl7.org/fhir/StructureDefinition/patient-birthPlace');
    assert.deepEqual(birthPlace?.context, [{ type: 'element', expression: 'Patient' }]);
  });

  it('say which parameters put a resource into a compartment', () => {
    assert.deepEqual(definitions.compartment('Patient').get('Observation'), ['subject', 'performer']);
    assert.equal(definitions.compartment('Patient').has('Organization'), false);
    assert.equal(definitions.compartment('Nobody').size, 0);
  });

  it('can be overlaid: the later layer wins, the registry below does not change', () => {
    const url = 'http://hl7.org/fhir/ValueSet/administrative-gender';
    const own: ValueSet = { resourceType: 'ValueSet', url, version: '9', compose: { include: [] } };
    const overlaid = definitions.with([own]);
    assert.equal(overlaid.valueSet(url)?.version, '9');
    assert.equal(overlaid.valueSet(`${url}|4.0.1`)?.version, '4.0.1');
    assert.equal(definitions.valueSet(url)?.version, '4.0.1');
    assert.equal([...overlaid.entries('ValueSet')].length, 1316);
  });
});
