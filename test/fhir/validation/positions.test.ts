import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { positionOf } from '../../../src/fhir/validation/positions.js';

const json = `{
  "resourceType": "Bundle",
  "note": "not this: \\"entry\\" [ {",
  "entry": [
    {"resource": {"resourceType": "Basic"}},
    {
      "resource": {"resourceType": "Patient",
        "name": [{"family": "a"}, {
          "given": ["b", "c"]}],
        "deceasedBoolean": true, "_gender": {"id": "x"}
      }
    }
  ]
}`;

const xml = `<?xml version="1.0"?>
<!-- <entry> -->
<Bundle xmlns="http://hl7.org/fhir">
  <entry><resource><Basic><id value="1 &gt; 0"/></Basic></resource></entry>
  <entry>
    <resource>
      <Patient>
        <name><family value="a"/></name>
        <name>
          <given value="b"/>
          <given value="c"/>
        </name>
        <deceasedBoolean value="true"/>
      </Patient>
    </resource>
  </entry>
</Bundle>`;

describe('the position of an element', () => {
  const cases: readonly [expression: string, inJson: string, inXml: string][] = [
    ['Bundle', '1:1', '3:1'],
    ['Bundle.entry[0]', '5:5', '4:3'],
    ['Bundle.entry[1]', '6:5', '5:3'],
    ['Bundle.entry[1].resource.name[1].given[1]', '9:26', '11:11'],
    ['Bundle.entry[1].resource.name[0].family', '8:19', '8:15'],
    ['Bundle.entry[1].resource.deceased.ofType(boolean)', '10:9', '13:9'],
    ['Bundle.entry[1].resource.deceasedBoolean', '10:9', '13:9'],
    ['Bundle.entry[1].resource.photo.title', '7:7', '6:5'],
    ["Bundle.entry[1].resource.name[1].where(use = 'x').given", '8:35', '9:9'],
    ['Bundle.entry[7]', '4:3', '3:1'],
  ];
  for (const [expression, inJson, inXml] of cases) {
    test(expression, () => {
      const shown = (text: string) => {
        const position = positionOf(text, expression);
        return position && `${position.line}:${position.column}`;
      };
      assert.equal(shown(json), inJson, 'JSON');
      assert.equal(shown(xml), inXml, 'XML');
    });
  }

  test('a primitive without value is found by its extension', () => {
    assert.deepEqual(positionOf(json, 'Bundle.entry[1].resource.gender'), { line: 10, column: 34 });
  });

  test('text that is neither, or cut off, gives what could be found', () => {
    assert.equal(positionOf('hello', 'Patient.name'), undefined);
    assert.deepEqual(positionOf('{"name": [{"family', 'Patient.name[0].family'), { line: 1, column: 12 });
    assert.deepEqual(positionOf('<Patient><name', 'Patient.name[0].family'), { line: 1, column: 1 });
    for (let end = 0; end < json.length; end += 7)
      positionOf(json.slice(0, end), 'Bundle.entry[1].resource.name[1].given[1]');
  });
});
