import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { bodyFormatOf, chooseFormat } from '../../../src/fhir/http/negotiation.js';
import { parsePrefer } from '../../../src/fhir/http/prefer.js';
import { prettyJson } from '../../../src/fhir/http/pretty.js';

describe('the format of an answer', () => {
  const both = ['json', 'xml'] as const;
  const cases: [string | undefined, string | undefined, string][] = [
    [undefined, undefined, 'json'],
    [undefined, '*/*', 'json'],
    [undefined, 'application/fhir+json', 'json'],
    [undefined, 'application/fhir+xml', 'xml'],
    [undefined, 'application/fhir+xml;q=0.5, application/fhir+json;q=0.9', 'json'],
    [undefined, 'text/html, application/xml;q=0.9', 'json'],
    [undefined, 'application/fhir+json; fhirVersion=4.0', 'json'],
    ['xml', 'application/fhir+json', 'xml'],
    ['application/fhir xml', undefined, 'xml'],
  ];
  for (const [format, accept, expected] of cases) {
    it(`_format ${format ?? '-'} and Accept ${accept ?? '-'} give ${expected}`, () => {
      assert.equal(chooseFormat(format, accept, both), expected);
    });
  }

  it('is refused with 406 when it is not offered or of another FHIR version', () => {
    assert.throws(() => chooseFormat('xml', undefined, ['json']), { status: 406 });
    assert.throws(() => chooseFormat(undefined, 'image/png', both), { status: 406 });
    assert.throws(() => chooseFormat(undefined, 'application/fhir+json; fhirVersion=3.0', both), { status: 406 });
  });
});

describe('the format of a body', () => {
  it('is JSON unless the Content-Type says otherwise', () => {
    assert.equal(bodyFormatOf(undefined), 'json');
    assert.equal(bodyFormatOf('application/fhir+json; charset=utf-8'), 'json');
    assert.equal(bodyFormatOf('application/json-patch+json'), 'json-patch');
    assert.equal(bodyFormatOf('text/csv'), 'other');
    assert.throws(() => bodyFormatOf('application/fhir+json; fhirVersion=5.0'), { status: 415 });
  });
});

describe('the Prefer header', () => {
  it('is read preference by preference; unknown ones are passed over', () => {
    assert.deepEqual(parsePrefer('return=minimal, handling=lenient; wait=30, respond-async, foo=bar'), {
      return: 'minimal',
      handling: 'lenient',
      wait: 30,
      respondAsync: true,
    });
    assert.deepEqual(parsePrefer('return=nonsense'), {});
  });
});

describe('_pretty', () => {
  it('indents and changes no value', () => {
    const text = '{"a":[1.50,{"b":"x:{,}\\""}],"c":{},"d":[]}';
    const pretty = prettyJson(text);
    assert.deepEqual(JSON.parse(pretty), JSON.parse(text));
    assert.match(pretty, /\n {4}1\.50,\n/);
    assert.match(pretty, /"c": \{\}/);
  });
});
