import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { after, describe, test } from 'node:test';
import { gzipSync } from 'node:zlib';
import { loadPackages } from '../../../src/fhir/packages/load-packages.js';
import { readPackage } from '../../../src/fhir/packages/package.js';
import { readTarGz } from '../../../src/fhir/packages/tar.js';
import { core } from '../terminology/definitions.js';
import { fhirPackage, header, tar, tarGz } from './archive.js';

const folder = mkdtempSync(path.join(tmpdir(), 'mooring-packages-'));
after(() => rmSync(folder, { recursive: true, force: true }));
const shared = path.resolve(import.meta.dirname, '../../../../../shared/packages');

const profile = {
  resourceType: 'StructureDefinition',
  url: 'http://example.org/StructureDefinition/p',
  version: '1',
  name: 'P',
  status: 'active',
  kind: 'resource',
  abstract: false,
  type: 'Patient',
  baseDefinition: 'http://hl7.org/fhir/StructureDefinition/Patient',
  derivation: 'constraint',
  text: { status: 'generated', div: '<div>long</div>' },
  differential: {
    element: [
      { id: 'Patient', path: 'Patient', definition: 'prose' },
      {
        id: 'Patient.gender',
        path: 'Patient.gender',
        min: 1,
        binding: { strength: 'required', valueSet: 'http://example.org/vs' },
      },
    ],
  },
};

describe('archives', () => {
  const names = (archive: Buffer) =>
    [...readTarGz(archive, 1_000_000)].map(({ name, content }) => `${name}:${content}`);
  test('hold files, whose long names stand in extra headers', () => {
    assert.deepEqual(
      names(tarGz({ 'package/a.json': '1', 'package/b.json': 'x'.repeat(600) })).map((name) => name.length),
      [16, 615],
    );
    const long = `package/${'n'.repeat(150)}.json`;
    const record = ` path=${long}\n`;
    const pax = `${record.length + 3}${record}`;
    const padded = (text: string) => Buffer.concat([Buffer.from(text), Buffer.alloc(512 - (text.length % 512))]);
    const archive = Buffer.concat([
      header('pax', pax.length, 'x'),
      padded(pax),
      header('short', 2),
      padded('{}'),
      Buffer.alloc(1024),
    ]);
    assert.deepEqual(names(gzipSync(archive)), [`${long}:{}`]);
  });
  test('that are no archives, cut off or damaged are refused', () => {
    assert.throws(() => names(Buffer.from('hello')), /not gzip/);
    assert.throws(() => names(gzipSync('x'.repeat(2000))), /no tar archive/);
    assert.throws(() => names(gzipSync(tar([['a', 'x'.repeat(2000)]]).subarray(0, 1024))), /cut off/);
    const damaged = tar([['a', 'x']]);
    damaged[0] ^= 1;
    assert.throws(() => names(gzipSync(damaged)), /no tar archive/);
  });
  test('that unpack to more than allowed are refused before their memory is taken', () => {
    assert.throws(() => names(gzipSync(Buffer.alloc(5_000_000))), /more than 1000000 bytes/);
  });
});

describe('a package', () => {
  test('gives its conformance resources, without narrative and prose, and says what it needs', () => {
    const found = readPackage(
      fhirPackage('x.y', '1.2.3', [profile, { resourceType: 'Patient' }, { resourceType: 'ValueSet' }]),
      'x.tgz',
    );
    assert.deepEqual([found.name, found.version, found.entries.length], ['x.y', '1.2.3', 1]);
    assert.deepEqual(found.skipped, ['Resource-2.json: it has no url']);
    const { text, differential, type } = found.entries[0].read() as {
      text?: unknown;
      type?: string;
      differential?: { element: object[] };
    };
    assert.deepEqual(
      [text, type, differential?.element[0]],
      [undefined, 'Patient', { id: 'Patient', path: 'Patient' }],
    );
    assert.deepEqual(
      [...found.references.keys()],
      ['http://hl7.org/fhir/StructureDefinition/Patient', 'http://example.org/vs'],
    );
  });
  test('has a digest that the compression does not change, but a byte of content does', () => {
    const files = {
      'package/package.json': '{"name":"a","version":"1"}',
      'package/v.json': '{"resourceType":"ValueSet","url":"http://x"}',
    };
    const plain = gzipSync(tar(Object.entries(files)), { level: 0 });
    const digest = readPackage(tarGz(files), 'a').digest;
    assert.equal(readPackage(plain, 'a').digest, digest);
    assert.notEqual(
      readPackage(tarGz({ ...files, 'package/v.json': '{"resourceType":"ValueSet","url":"http://y"}' }), 'a').digest,
      digest,
    );
  });
  test('of another FHIR version, or without a manifest, is refused by name', () => {
    assert.throws(
      () => readPackage(fhirPackage('x', '1', [], { fhirVersions: ['5.0.0'] }), 'x.tgz'),
      /x#1 is for FHIR 5.0.0/,
    );
    assert.throws(
      () => readPackage(tarGz({ 'package/a.json': '{}' }), 'x.tgz'),
      /x.tgz is no FHIR package: it has no package/,
    );
    assert.throws(() => readPackage(Buffer.from('zip'), 'x.tgz'), /x.tgz is no FHIR package: it is not gzip/);
  });
  test('may lead nowhere with its names, and skip what is not JSON', () => {
    const found = readPackage(
      tarGz({
        'package/package.json': '{"name":"a","version":"1"}',
        'package/../../etc/passwd.json': '{"resourceType":"ValueSet","url":"http://x"}',
        'package/example/v.json': '{"resourceType":"ValueSet","url":"http://x"}',
        'package/broken.json': '{',
      }),
      'a',
    );
    assert.deepEqual([found.entries.length, found.skipped], [0, ['broken.json: it is not JSON']]);
  });
});

describe('loading', () => {
  test('lays packages over the core, dependencies first, and lists what is missing', () => {
    const base = { ...profile, url: 'http://example.org/base', differential: undefined };
    const derived = { ...profile, baseDefinition: 'http://example.org/base' };
    writeFileSync(
      path.join(folder, 'a.tgz'),
      fhirPackage('a', '1.0.0', [derived], { dependencies: { b: '2.0.x', c: '1.0.0', 'hl7.fhir.r4.core': '4.0.1' } }),
    );
    writeFileSync(path.join(folder, 'b.tgz'), fhirPackage('b', '2.0.1', [base]));
    writeFileSync(path.join(folder, 'notes.txt'), 'no package');
    const { packages, definitions, unresolved } = loadPackages([folder, path.join(folder, 'nowhere')], core);
    assert.deepEqual(
      packages.map(({ name }) => name),
      ['b', 'a'],
    );
    assert.equal(definitions.structureDefinition(profile.url)?.name, 'P');
    assert.deepEqual(unresolved, [
      'a#1.0.0 depends on the package c#1.0.0, which is not loaded',
      'a#1.0.0 needs the ValueSet http://example.org/vs (in http://example.org/StructureDefinition/p), which is not at hand',
    ]);
  });
  test('a file that is named but not there is an error', () => {
    assert.throws(() => loadPackages([path.join(folder, 'none.tgz')], core), /ENOENT/);
  });
  test('US Core and IPS load, with a list of what they lack', () => {
    const { packages, unresolved, definitions } = loadPackages([shared], core);
    assert.deepEqual(
      packages.map(({ name, entries }) => `${name} ${entries.length}`),
      ['hl7.fhir.us.core 207', 'hl7.fhir.uv.ips 98'],
    );
    assert.ok(
      definitions.structureDefinition('http://hl7.org/fhir/us/core/StructureDefinition/us-core-patient')?.snapshot,
    );
    assert.ok(
      unresolved.includes('hl7.fhir.uv.ips#1.1.0 depends on the package hl7.terminology.r4#5.0.0, which is not loaded'),
    );
    assert.ok(unresolved.every((text) => /^hl7\.fhir\.(us\.core#6\.1\.0|uv\.ips#1\.1\.0) (depends|needs)/.test(text)));
  });
});
