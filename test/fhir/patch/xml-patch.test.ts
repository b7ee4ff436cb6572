import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { describe, it } from 'node:test';
import { parseJson, stringifyJson } from '../../../src/base/json.js';
import { FhirError } from '../../../src/base/outcome.js';
import type { Resource } from '../../../src/base/resource.js';
import { loadDefinitions } from '../../../src/fhir/definitions/definitions.js';
import { applyXmlPatch, patchXml } from '../../../src/fhir/patch/xml-patch.js';
import { readXmlTree, writeXmlTree } from '../../../src/fhir/patch/xml-tree.js';

const corpus = new URL('../../../../../shared/corpus/patch/xml-patch-tests.xml', import.meta.url);
const definitions = loadDefinitions();

function inside(text: string, element: string): string | undefined {
  return new RegExp(`<${element}>([\\s\\S]*?)</${element}>`).exec(text)?.[1].trim();
}

/** Without white space between tags, in one spelling. */
function plain(xml: string): string {
  return writeXmlTree(readXmlTree(xml.replace(/>\s+</g, '><')));
}

describe('XML Patch', () => {
  const text = readFileSync(corpus, 'utf8').replace(/<!--\s*(?:no need|\n\s*<case)[\s\S]*?<\/case>\s*-->/g, '');
  const cases = [...text.matchAll(/<case name="([^"]*)"[^>]*>([\s\S]*?)<\/case>/g)];

  it('has the 29 official cases that are not commented out', () => {
    assert.equal(cases.length, 29);
  });

  for (const [, name, one] of cases) {
    it(`official case: ${name}`, () => {
      const target = inside(one, 'target') ?? '';
      const patch = /<patch[\s\S]*<\/patch>/.exec(one)?.[0] ?? '';
      if (one.includes('<error')) assert.throws(() => patchXml(target, patch), FhirError);
      else assert.equal(plain(patchXml(target, patch)), plain(inside(one, 'patched') ?? ''));
    });
  }

  const patient = parseJson(
    '{"resourceType":"Patient","id":"1","text":{"status":"generated","div":"<div xmlns=\\"http://www.w3.org/1999/xhtml\\"><p>a &#160; b</p></div>"},' +
      '"extension":[{"url":"http://example.org/weight","valueDecimal":1.50}],"name":[{"family":"Hall","given":["A","B"]},{"family":"Wall"}],"gender":"female"}',
  ) as unknown as Resource;
  const apply = (operations: string) =>
    stringifyJson(applyXmlPatch(definitions, patient, `<diff xmlns="http://hl7.org/fhir">${operations}</diff>`));

  it('adds, replaces and removes, and leaves decimals and the narrative to the letter', () => {
    assert.equal(
      apply(
        '<add sel="Patient/gender" pos="after"><birthDate value="1984-05-02"/></add>' +
          '<replace sel="f:Patient/f:gender/@value">male</replace>' +
          '<remove sel="Patient/name[2]"/><remove sel="/Patient/name/given[@value=\'A\']"/>',
      ),
      '{"resourceType":"Patient","id":"1","text":{"status":"generated","div":"<div xmlns=\\"http://www.w3.org/1999/xhtml\\"><p>a &#160; b</p></div>"},' +
        '"extension":[{"url":"http://example.org/weight","valueDecimal":1.50}],"name":[{"family":"Hall","given":["B"]}],"gender":"male","birthDate":"1984-05-02"}',
    );
  });

  it('takes what is added in any order, for JSON has none', () => {
    assert.match(apply('<add sel="Patient"><active value="true"/></add>'), /"active":true/);
    assert.match(apply('<add sel="Patient" pos="prepend"><birthDate value="1984"/></add>'), /"birthDate":"1984"/);
  });

  it('refuses selectors that are none (400), that find nothing or several (422), and results that are no FHIR (422)', () => {
    assert.throws(() => apply('<remove sel="//name"/>'), { status: 400 });
    assert.throws(() => apply('<remove sel="Patient/name[position()=1]"/>'), { status: 400 });
    assert.throws(() => apply('<remove sel="Patient/photo"/>'), { status: 422 });
    assert.throws(() => apply('<remove sel="Patient/name"/>'), { status: 422 });
    assert.match(apply('<remove sel="Patient/name[1]"/>'), /Wall/);
    assert.throws(() => apply('<add sel="Patient">loose text</add>'), { status: 422 });
    assert.throws(() => apply('<move sel="Patient/gender"/>'), { status: 400 });
    assert.throws(() => apply(''), { status: 400 });
    assert.throws(() => applyXmlPatch(definitions, patient, '<diff><remove'), { status: 400 });
  });
});
