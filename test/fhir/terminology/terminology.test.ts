import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import type { ElementDefinition } from '../../../src/fhir/definitions/types.js';
import { FhirError } from '../../../src/base/outcome.js';
import { core, coreTerminology as terminology } from './definitions.js';

const vs = (name: string) => `http://hl7.org/fhir/ValueSet/${name}`;
const hl7 = (name: string) => `http://terminology.hl7.org/CodeSystem/${name}`;

describe('codes of R4', () => {
  const cases: readonly [system: string | undefined, code: string, valueSet: string, result: string][] = [
    [undefined, 'male', vs('administrative-gender|4.0.1'), 'in'],
    [undefined, 'Male', vs('administrative-gender|4.0.1'), 'out'],
    [undefined, 'Patient', vs('resource-types|4.0.1'), 'in'],
    [undefined, 'string', vs('all-types'), 'in'],
    [undefined, 'USD', vs('currencies'), 'in'],
    [undefined, 'usd', vs('currencies'), 'out'],
    [undefined, 'ABCD', vs('currencies'), 'out'],
    [undefined, 'en-US', vs('languages'), 'in'],
    [undefined, 'tlh', vs('languages'), 'out'],
    [undefined, 'tlh', vs('all-languages'), 'in'],
    [undefined, 'application/fhir+json', vs('mimetypes'), 'in'],
    [undefined, 'json', vs('mimetypes'), 'unknown'],
    [undefined, 'Europe/Berlin', vs('timezones'), 'in'],
    [undefined, 'Mars/Olympus', vs('timezones'), 'unknown'],
    [hl7('v3-MaritalStatus'), 'M', vs('marital-status'), 'in'],
    [hl7('v3-MaritalStatus'), 'QQ', vs('marital-status'), 'out'],
    [hl7('v3-ParticipationType'), 'PART', vs('encounter-participant-type'), 'in'],
    [hl7('v3-ParticipationType'), 'IND', vs('encounter-participant-type'), 'out'],
    ['http://unitsofmeasure.org', 'a', vs('age-units'), 'in'],
    ['http://unitsofmeasure.org', 'm', vs('age-units'), 'out'],
    ['http://unitsofmeasure.org', 'km', vs('all-distance-units'), 'in'],
    ['http://unitsofmeasure.org', 'kg', vs('all-distance-units'), 'out'],
    ['http://unitsofmeasure.org', 'kg', vs('ucum-units'), 'in'],
    ['http://unitsofmeasure.org', 'furlong', vs('ucum-units'), 'out'],
    ['urn:iso:std:iso:3166', 'DE', vs('iso3166-1-2'), 'in'],
    ['urn:iso:std:iso:3166', 'DEU', vs('iso3166-1-3'), 'in'],
    ['urn:iso:std:iso:3166', 'DE', vs('iso3166-1-3'), 'out'],
    ['http://snomed.info/sct', '24484000', vs('condition-severity'), 'in'],
    ['http://snomed.info/sct', '1', vs('condition-severity'), 'out'],
    ['http://snomed.info/sct', '1', vs('condition-code'), 'unknown'],
    ['http://loinc.org', '1-8', vs('observation-codes'), 'unknown'],
    ['http://loinc.org', '1-8', vs('no-such-value-set'), 'unknown'],
    ['', 'male', vs('administrative-gender'), 'out'],
  ];
  for (const [system, code, valueSet, result] of cases) {
    test(`${system ?? ''}#${code} is ${result} ${valueSet.replace(/.*\//, '')}`, () => {
      const verdict = terminology.validateCode({ system, code }, valueSet);
      assert.equal(verdict.result, result);
      assert.equal(verdict.message === undefined, result === 'in', 'what is not in says why');
      assert.equal(terminology.validateCode({ system, code }, valueSet).result, result, 'the kept answer is the same');
    });
  }

  const inSystem: readonly [system: string, code: string, result: string, reason: string][] = [
    ['http://hl7.org/fhir/administrative-gender', 'male', 'in', 'member'],
    ['http://hl7.org/fhir/administrative-gender', 'mal', 'out', 'unknown-code'],
    [hl7('v2-0203'), 'mr', 'in', 'member'],
    [hl7('service-type'), '9999', 'out', 'unknown-code'],
    [hl7('insurance-plan-type'), 'nope', 'unknown', 'fragment'],
    ['http://unitsofmeasure.org', 'furlong', 'out', 'invalid-unit'],
    ['http://snomed.info/sct', '1', 'unknown', 'unknown-system'],
    ['urn:iso:std:iso:4217', 'EUR', 'in', 'member'],
    ['urn:iso:std:iso:4217', 'XXQ', 'out', 'unknown-code'],
    ['urn:iso:std:iso:3166', 'D', 'out', 'unknown-code'],
    ['https://www.usps.com/', 'MA', 'in', 'member'],
    ['https://www.usps.com/', 'XX', 'out', 'unknown-code'],
    ['urn:ietf:bcp:47', 'de-CH-1996', 'in', 'member'],
    ['urn:ietf:bcp:47', 'xx-yy', 'unknown', 'fragment'],
    ['urn:ietf:bcp:13', 'text/plain', 'in', 'member'],
    ['', 'male', 'unknown', 'no-system'],
  ];
  for (const [system, code, result, reason] of inSystem) {
    test(`${system}#${code} is ${result} as a code of its system`, () => {
      const verdict = terminology.validateInSystem({ system, code });
      assert.deepEqual([verdict.result, verdict.reason], [result, reason]);
    });
  }
});

describe('required bindings of R4', () => {
  /** Grammars without end, and one LOINC answer list that R4 names but does not have. */
  const unlistable = [...['mimetypes', 'ucum-units'].map(vs), 'http://loinc.org/vs/LL379-9'];

  test('every value set that is bound as required can be listed, except for three', () => {
    const bound = new Set<string>();
    for (const facts of core.structureDefinitions()) {
      const definition = core.structureDefinition(facts.url);
      for (const element of (definition?.snapshot?.element ?? []) as readonly ElementDefinition[]) {
        if (element.binding?.strength === 'required' && element.binding.valueSet) bound.add(element.binding.valueSet);
      }
    }
    assert.ok(bound.size > 200, `${bound.size} value sets`);
    const unlisted: string[] = [];
    for (const url of bound) {
      try {
        assert.ok(terminology.expand(url).total > 0, `${url} is empty`);
      } catch (error) {
        if (!(error instanceof FhirError)) throw error;
        unlisted.push(url.split('|')[0]);
      }
    }
    assert.deepEqual(unlisted.sort(), unlistable);
  });

  test('each code of each expansion is a member of its value set', () => {
    for (const { url } of core.entries('ValueSet')) {
      let codes: readonly { system: string; code: string }[];
      try {
        codes = terminology.expand(url).contains;
      } catch {
        continue;
      }
      for (const { system, code } of codes) {
        assert.equal(terminology.validateCode({ system, code }, url).result, 'in', `${url} ${system}#${code}`);
      }
    }
  });
});

test('invented systems, codes and value sets never fail, whatever they look like', () => {
  let seed = 7;
  const random = (below: number) => (seed = (seed * 48271) % 2147483647) % below;
  const pieces = [
    'http://hl7.org/fhir/',
    'ValueSet/',
    'administrative-gender',
    '|',
    '4.0.1',
    '#',
    '\0',
    '{',
    '(',
    '/',
    '10*',
    'é',
    '😀',
    '\ud800',
    ' ',
    '__proto__',
    'constructor',
    'urn:ietf:bcp:47',
    'http://unitsofmeasure.org',
    '-',
    'x',
  ];
  const text = () => Array.from({ length: random(5) }, () => pieces[random(pieces.length)]).join('');
  for (let count = 0; count < 20_000; count += 1) {
    const coding = { system: random(3) === 0 ? undefined : text(), code: text() };
    assert.ok(['in', 'out', 'unknown'].includes(terminology.validateCode(coding, text()).result));
    assert.ok(['in', 'out', 'unknown'].includes(terminology.validateInSystem(coding).result));
  }
  assert.equal(terminology.validateInSystem({ system: 'http://unitsofmeasure.org', code: '__proto__' }).result, 'out');
});
