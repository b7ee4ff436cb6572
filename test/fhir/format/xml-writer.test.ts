import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { describe, it } from 'node:test';
import { parseJson, stringifyJson } from '../../../src/base/json.js';
import type { Resource } from '../../../src/base/resource.js';
import { loadDefinitions } from '../../../src/fhir/definitions/definitions.js';
import { writeXml } from '../../../src/fhir/format/xml-writer.js';
import { readXml } from '../../../src/fhir/format/xml.js';

const definitions = loadDefinitions();
const corpus = new URL('../../../../../shared/corpus/', import.meta.url);

/** Key order is the definition's in XML and the author's in JSON. */
function sorted(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(sorted);
  if (typeof value !== 'object' || value === null) return value;
  const keys = Object.keys(value).sort();
  const copy = Object.fromEntries(keys.map((key) => [key, sorted((value as Record<string, unknown>)[key])]));
  for (const symbol of Object.getOwnPropertySymbols(value)) {
    (copy as Record<symbol, unknown>)[symbol] = (value as Record<symbol, unknown>)[symbol];
  }
  return copy;
}

const same = (one: unknown, other: unknown) => assert.equal(stringifyJson(sorted(one)), stringifyJson(sorted(other)));

describe('FHIR XML', () => {
  it('carries every resource of the throughput corpus there and back, decimals to the letter', () => {
    const lines = readFileSync(new URL('throughput/mixed-2000.ndjson', corpus), 'utf8').trim().split('\n');
    for (const line of lines) {
      const resource = parseJson(line) as unknown as Resource;
      same(readXml(writeXml(resource, definitions), definitions), resource);
    }
  });

  it('carries valid examples of 132 types there and back', () => {
    const lines = readFileSync(new URL('validation/mutations.ndjson', corpus), 'utf8').trim().split('\n');
    const types = new Set<string>();
    for (const line of lines) {
      const { resource, expect, mutation } = parseJson(line) as unknown as {
        resource?: Resource;
        expect: string;
        mutation?: object;
      };
      if (resource === undefined || expect !== 'valid' || mutation !== undefined) continue;
      types.add(resource.resourceType);
      same(readXml(writeXml(resource, definitions), definitions), resource);
    }
    assert.equal(types.size, 132);
  });

  it('keeps ids and extensions of primitives, also in lists with gaps, and escapes what XML needs escaped', () => {
    const text =
      '{"resourceType":"Patient","id":"p","birthDate":"1970-01-01","_birthDate":{"id":"b","extension":[{"url":"http://example.org/x","valueDecimal":1.50}]},' +
      '"name":[{"id":"n","family":"O\\"<&>\\n","given":["A",null,"B"],"_given":[null,{"extension":[{"url":"http://example.org/y","valueBoolean":true}]}]}]}';
    const resource = parseJson(text) as unknown as Resource;
    const xml = writeXml(resource, definitions);
    assert.match(
      xml,
      /<birthDate id="b" value="1970-01-01"><extension url="http:\/\/example.org\/x"><valueDecimal value="1.50"\/>/,
    );
    assert.match(xml, /<family value="O&quot;&lt;&amp;&gt;&#10;"\/>/);
    same(readXml(xml, definitions), resource);
  });
});
