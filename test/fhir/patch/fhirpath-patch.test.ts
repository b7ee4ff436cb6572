import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { describe, it } from 'node:test';
import { FhirError } from '../../../src/base/outcome.js';
import { loadDefinitions } from '../../../src/fhir/definitions/definitions.js';
import { readXml } from '../../../src/fhir/format/xml.js';
import { applyFhirPathPatch } from '../../../src/fhir/patch/fhirpath-patch.js';

const corpus = new URL('../../../../../shared/corpus/patch/fhir-patch-tests.xml', import.meta.url);
const definitions = loadDefinitions();

/** The one resource inside an element of the test file. */
function resourceIn(text: string, element: string) {
  const match = new RegExp(`<${element}>([\\s\\S]*?)</${element}>`).exec(text);
  return match === null ? undefined : readXml(match[1].trim(), definitions);
}

/** XHTML may spell a quotation mark in two ways. */
function sameQuotes(resource: unknown): unknown {
  return JSON.parse(JSON.stringify(resource).replaceAll('&quot;', '\\"'));
}

describe('FHIRPath Patch', () => {
  // The cases spell line ends in two ways, which their own comparison does not tell apart.
  const text = readFileSync(corpus, 'utf8').replace(/\r|&#(?:13|x0?D);/gi, '');
  const cases = [...text.matchAll(/<case name="([^"]*)"[^>]*>([\s\S]*?)<\/case>/g)];

  it('has the 33 official cases', () => {
    assert.equal(cases.length, 33);
  });

  for (const [, name, text] of cases) {
    it(`official case: ${name}`, () => {
      const input = resourceIn(text, 'input');
      const diff = resourceIn(text, 'diff');
      assert.ok(input !== undefined && diff !== undefined);
      if (text.includes('<error')) assert.throws(() => applyFhirPathPatch(definitions, input, diff), FhirError);
      else
        assert.deepEqual(
          sameQuotes(applyFhirPathPatch(definitions, input, diff)),
          sameQuotes(resourceIn(text, 'output')),
        );
    });
  }

  it('changes the type of a choice, and leaves the input as it was', () => {
    const input = { resourceType: 'Observation', valueQuantity: { value: 1 } };
    const patch = {
      resourceType: 'Parameters',
      parameter: [
        {
          name: 'operation',
          part: [
            { name: 'type', valueCode: 'replace' },
            { name: 'path', valueString: 'Observation.value' },
            { name: 'value', valueString: 'high' },
          ],
        },
      ],
    };
    assert.deepEqual(applyFhirPathPatch(definitions, input, patch), {
      resourceType: 'Observation',
      valueString: 'high',
    });
    assert.deepEqual(input, { resourceType: 'Observation', valueQuantity: { value: 1 } });
  });
});
