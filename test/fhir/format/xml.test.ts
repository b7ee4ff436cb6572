import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { parseJson, stringifyJson } from '../../../src/base/json.js';
import type { Resource } from '../../../src/base/resource.js';
import { readXml, XmlError, type XmlProblem } from '../../../src/fhir/format/xml.js';
import { writeXml } from '../../../src/fhir/format/xml-writer.js';
import { casesOf, core, readLines, run } from '../validation/corpus.js';

/** Names of the properties of a value, to compare regardless of their order. */
function sorted(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(sorted);
  if (typeof value !== 'object' || value === null) return value;
  return Object.fromEntries(
    Object.entries(value)
      .sort(([a], [b]) => (a < b ? -1 : 1))
      .map(([key, inner]) => [key, sorted(inner)]),
  );
}

describe('FHIR XML', () => {
  it('is read to the same JSON that was written, for every resource of the corpus', () => {
    const originals = casesOf('mutations').filter(({ mutation, resource }) => !mutation && resource);
    const resources = [
      ...originals.map(({ resource }) => resource as Resource),
      ...readLines('throughput/mixed-2000.ndjson').slice(0, 300),
    ];
    for (const resource of resources) {
      const back = readXml(writeXml(resource, core), core);
      assert.deepEqual(sorted(back), sorted(resource), `${resource.resourceType}/${resource.id}`);
    }
  });

  it('keeps the exact text of decimals, ids and extensions of primitives, and characters that XML escapes', () => {
    const text =
      '{"resourceType":"Observation","status":"final","code":{"id":"c","text":"a < b & \\"c\\"\\n\\td"},"valueQuantity":{"value":1.50,"_value":{"id":"v"}},' +
      '"_issued":{"extension":[{"url":"http://x.org/y","valueDecimal":1E3}]},"component":[{"code":{"text":"x"},"valueString":"é"}]}';
    const xml = writeXml(parseJson(text) as unknown as Resource, core);
    assert.ok(xml.includes('<value id="v" value="1.50"/>'));
    assert.deepEqual(JSON.parse(stringifyJson(readXml(xml, core))), JSON.parse(text));
    assert.ok(stringifyJson(readXml(xml, core)).includes('1.50'));
  });

  it('names what is against its rules, with line and column', () => {
    const xml =
      '<Patient xmlns="http://hl7.org/fhir">\n <gender value="male" odd="1"/>\n <active value="true"/>text\n</Patient>';
    const problems: XmlProblem[] = [];
    const patient = readXml(xml, core, problems);
    assert.deepEqual(patient, { resourceType: 'Patient', gender: 'male', active: true });
    assert.deepEqual(
      problems.map(({ line, expression }) => [line, expression]),
      [
        [2, 'Patient.gender'],
        [3, 'Patient.active'],
        [4, 'Patient'],
      ],
    );
    assert.throws(() => readXml(xml, core), XmlError);
  });

  it('is refused when it is not well formed, no resource, a document with DOCTYPE, or too deep', () => {
    const deep = `<Patient xmlns="http://hl7.org/fhir">${'<extension url="http://x.org/x">'.repeat(300)}`;
    const doctype =
      '<!DOCTYPE Patient [<!ENTITY x "y">]><Patient xmlns="http://hl7.org/fhir"><id value="&x;"/></Patient>';
    for (const text of [
      '',
      '<Patient',
      '<Patient xmlns="http://hl7.org/fhir"><id></Patient>',
      '<Foo xmlns="http://hl7.org/fhir"/>',
      doctype,
      deep,
    ]) {
      assert.throws(() => readXml(text, core), XmlError, text.slice(0, 60));
    }
    assert.equal(readXml('<Patient xmlns="http://hl7.org/fhir"><id value="a"/></Patient>', core).id, 'a');
  });

  it('agrees with the reference on every XML case of the official suite but those of docs/validation.md', () => {
    const cases = casesOf('official').filter(({ file }) => file?.endsWith('.xml'));
    const differ = cases.filter((one) => !run(one).agrees).map(({ id }) => id);
    assert.deepEqual(differ, [
      'ips-link-xml#base',
      'mr-m-cql-library#base',
      'xhtml-ctrl-source1#profile',
      'xhtml-ctrl-two-lang-bad#profile',
    ]);
  });
});
