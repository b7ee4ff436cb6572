import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { test } from 'node:test';
import { HeaderCodec, type Header } from '../../src/commit/header.js';

const codec = new HeaderCodec(randomBytes(32));
const resource = randomBytes(16);

const full: Header = {
  resourceType: 'Observation',
  id: 'o-1',
  versionId: 70_000,
  lastUpdated: 1_700_000_000_123,
  isDeleted: false,
  attributes: {
    resourceType: 'Observation',
    id: 'o-1',
    patients: ['p1', 'p2'],
    securityLabels: [{ system: 'http://terminology.hl7.org/CodeSystem/v3-Confidentiality', code: 'R' }],
    codes: [
      { system: 'http://loinc.org', code: '1-8' },
      { system: 'http://loinc.org', version: '2.7', code: '1-9' },
      { code: 'ü' },
      { system: 'urn:x' },
    ],
    author: 'Practitioner/1',
    dataPeriod: [-Infinity, 1_700_000_000_000],
    references: ['Encounter/e1'],
    authors: ['Practitioner/p1'],
  },
  level: 3,
  leafOpening: randomBytes(58),
  receiptDigest: randomBytes(32),
  sortKeys: { date: [1, 2] },
};

const bare: Header = {
  resourceType: 'Patient',
  id: 'p',
  versionId: 1,
  lastUpdated: 0,
  isDeleted: true,
  attributes: { resourceType: 'Patient', id: 'p', patients: [], securityLabels: [], codes: [] },
  level: 0,
  leafOpening: new Uint8Array(0),
};

test('a header comes back as it was sealed, with everything and with next to nothing', () => {
  for (const header of [full, bare]) {
    const opened = codec.open(resource, header.versionId, codec.seal(resource, header));
    const bytes = (value: Header) => ({
      ...value,
      leafOpening: Buffer.from(value.leafOpening),
      ...(value.receiptDigest === undefined ? {} : { receiptDigest: Buffer.from(value.receiptDigest) }),
    });
    assert.deepEqual(bytes(opened), bytes(header));
  }
});

test('a header opens only in the row it was sealed for, and only unaltered', () => {
  const sealed = codec.seal(resource, full);
  assert.throws(() => codec.open(randomBytes(16), full.versionId, sealed), { name: 'SealBroken' });
  assert.throws(() => codec.open(resource, full.versionId + 1, sealed), { name: 'SealBroken' });
  assert.throws(() => new HeaderCodec(randomBytes(32)).open(resource, full.versionId, sealed), { name: 'SealBroken' });
  for (const at of [0, 24, 60, sealed.byteLength - 1]) {
    const altered = Uint8Array.from(sealed);
    altered[at]! ^= 1;
    assert.throws(() => codec.open(resource, full.versionId, altered), { name: 'SealBroken' });
  }
  codec.open(resource, full.versionId, sealed);
});

test('nothing of a header can be read in its sealed form', () => {
  const sealed = Buffer.from(codec.seal(resource, full));
  for (const word of ['Observation', 'o-1', 'p1', 'loinc', '1-8']) assert.equal(sealed.includes(word), false);
});
