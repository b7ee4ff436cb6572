import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { FhirError } from '../../../src/base/outcome.js';
import type { Resource } from '../../../src/base/resource.js';
import type { CanonicalResource, CodeSystem } from '../../../src/fhir/definitions/types.js';
import { expandOperation } from '../../../src/fhir/terminology/operations/expand.js';
import { lookupOperation, subsumesOperation } from '../../../src/fhir/terminology/operations/lookup.js';
import { Input } from '../../../src/fhir/terminology/operations/parameters.js';
import {
  validateCodeInSystem,
  validateCodeInValueSet,
} from '../../../src/fhir/terminology/operations/validate-code.js';
import { createTerminology } from '../../../src/fhir/terminology/terminology.js';
import { animals, core, valueSet } from './definitions.js';

const supplement = {
  resourceType: 'CodeSystem',
  url: 'http://example.org/animals-fr',
  content: 'supplement',
  supplements: animals.url,
  concept: [{ code: 'cat', designation: [{ language: 'fr', value: 'Chat' }] }],
} as unknown as CodeSystem;
const animalSet = valueSet('http://example.org/animal-set', [{ system: animals.url }]);
const definitions = core.with([animals, animalSet] as unknown as CanonicalResource[]);
const services = {
  definitions,
  terminology: createTerminology(definitions, [supplement]),
  supplements: [supplement],
  clock: { now: () => Date.UTC(2024, 0, 2) },
};

const query = (parameters: Record<string, string>) => Input.of(Object.entries(parameters));
const body = (...parameter: object[]) => Input.of([], { resourceType: 'Parameters', parameter });

type Part = { name: string; part?: Part[]; [value: string]: unknown };
const value = (resource: Resource, name: string) => {
  const found = (resource.parameter as Part[]).find((part) => part.name === name);
  return found && Object.entries(found).find(([key]) => key !== 'name')?.[1];
};
const refused = (status: number, code: string) => (error: unknown) => {
  assert.ok(error instanceof FhirError, String(error));
  assert.deepEqual([error.status, error.issues[0].code], [status, code]);
  return true;
};

describe('$expand', () => {
  const expand = (input: Input, instance?: Resource) =>
    expandOperation(services, input, instance) as Resource & {
      expansion: {
        total: number;
        timestamp: string;
        contains?: { code: string; display?: string; abstract?: boolean }[];
        parameter?: object[];
      };
    };

  test('answers the value set with all its codes', () => {
    const { url, status, expansion } = expand(query({ url: 'http://hl7.org/fhir/ValueSet/administrative-gender' }));
    assert.deepEqual(
      [url, status, expansion.total],
      ['http://hl7.org/fhir/ValueSet/administrative-gender', 'active', 4],
    );
    assert.equal(expansion.timestamp, '2024-01-02T00:00:00.000Z');
    assert.deepEqual(
      expansion.contains?.map(({ code }) => code),
      ['male', 'female', 'other', 'unknown'],
    );
    assert.deepEqual(expansion.parameter, [
      { name: 'version', valueUri: 'http://hl7.org/fhir/administrative-gender|4.0.1' },
    ]);
  });
  test('pages through offset and count, the total staying the same', () => {
    const { expansion } = expand(query({ url: 'http://example.org/animal-set', offset: '1', count: '2' }));
    assert.deepEqual([expansion.total, expansion.contains?.map(({ code }) => code)], [6, ['mammal', 'dog']]);
    assert.equal(expand(query({ url: 'http://example.org/animal-set', count: '0' })).expansion.contains, undefined);
  });
  test('filters by words of code and display', () => {
    const codes = (filter: string) =>
      expand(query({ url: 'http://example.org/animal-set', filter })).expansion.contains?.map(({ code }) => code);
    assert.deepEqual(codes('D'), ['dog', 'dodo']);
    assert.deepEqual(codes('dog dog'), ['dog']);
    assert.equal(codes('unicorn'), undefined);
  });
  test('leaves out inactive and abstract codes on request', () => {
    const codes = (parameters: Record<string, string>) =>
      expand(query({ url: 'http://example.org/animal-set', ...parameters })).expansion.contains?.map(
        ({ code }) => code,
      );
    assert.deepEqual(codes({ activeOnly: 'true' }), ['animal', 'mammal', 'dog', 'cat', 'bird']);
    assert.deepEqual(codes({ excludeNotForUI: 'true', activeOnly: 'true' }), ['mammal', 'dog', 'cat', 'bird']);
  });
  test('displays in the language asked for, supplements included', () => {
    const display = (language: string) =>
      expand(query({ url: 'http://example.org/animal-set', displayLanguage: language, filter: 'cat' })).expansion
        .contains?.[0].display;
    assert.deepEqual([display('fr-CA'), display('de')], ['Chat', 'Cat']);
  });
  test('takes a value set that is not stored, an instance, or the binding of an element', () => {
    const given = valueSet('http://example.org/given', [{ system: animals.url, concept: [{ code: 'cat' }] }]);
    const codes = (input: Input, instance?: Resource) =>
      expand(input, instance).expansion.contains?.map(({ code }) => code);
    assert.deepEqual(codes(body({ name: 'valueSet', resource: given })), ['cat']);
    assert.deepEqual(codes(query({}), { ...given, id: 'x' } as Resource), ['cat']);
    assert.equal(
      codes(query({ context: 'http://hl7.org/fhir/StructureDefinition/Patient#Patient.gender' }))?.length,
      4,
    );
  });
  test('refuses what it does not know, cannot list or does not understand', () => {
    assert.throws(() => expand(query({})), refused(400, 'required'));
    assert.throws(() => expand(query({ url: 'http://example.org/nowhere' })), refused(404, 'not-found'));
    assert.throws(
      () => expand(query({ url: 'http://hl7.org/fhir/ValueSet/condition-code' })),
      refused(422, 'not-supported'),
    );
    assert.throws(() => expand(query({ url: 'http://example.org/animal-set', count: '-1' })), refused(400, 'invalid'));
    assert.throws(
      () => expand(query({ url: 'http://example.org/animal-set', activeOnly: 'yes' })),
      refused(400, 'invalid'),
    );
    assert.throws(() => expand(body({ name: 'valueSet', resource: animals })), refused(400, 'invalid'));
  });
});

describe('$validate-code of a value set', () => {
  const url = 'http://example.org/animal-set';
  const validate = (input: Input) => validateCodeInValueSet(services, input);
  test('says yes with the display, and no with the reason', () => {
    const yes = validate(query({ url, system: animals.url, code: 'dog' }));
    assert.deepEqual([value(yes, 'result'), value(yes, 'display')], [true, 'Dog']);
    const no = validate(query({ url, system: animals.url, code: 'unicorn' }));
    assert.equal(value(no, 'result'), false);
    assert.match(String(value(no, 'message')), /http:\/\/example.org\/animals#unicorn.*is not in the value set/);
  });
  test('finds the system of a code that comes without', () => {
    const yes = validate(query({ url, code: 'dog' }));
    assert.deepEqual([value(yes, 'result'), value(yes, 'system')], [true, animals.url]);
    assert.equal(
      value(validate(body({ name: 'url', valueUri: url }, { name: 'coding', valueCoding: { code: 'dog' } })), 'result'),
      false,
    );
  });
  test('takes codings and codeable concepts, of which one has to fit', () => {
    const coding = { system: animals.url, code: 'dog' };
    const yes = body(
      { name: 'url', valueUri: url },
      { name: 'codeableConcept', valueCodeableConcept: { coding: [{ system: 'http://x.org', code: '1' }, coding] } },
    );
    assert.equal(value(validate(yes), 'result'), true);
    assert.equal(
      value(validate(body({ name: 'url', valueUri: url }, { name: 'coding', valueCoding: coding })), 'result'),
      true,
    );
  });
  test('a wrong display is no, the right one in any case or language is yes', () => {
    for (const display of ['Dog', 'dog', 'Hund'])
      assert.equal(value(validate(query({ url, system: animals.url, code: 'dog', display })), 'result'), true, display);
    const wrong = validate(query({ url, system: animals.url, code: 'dog', display: 'Cat' }));
    assert.deepEqual(
      [value(wrong, 'result'), value(wrong, 'message')],
      [false, "The display of 'http://example.org/animals#dog' is 'Dog', not 'Cat'"],
    );
  });
  test('abstract codes may be refused', () => {
    assert.equal(value(validate(query({ url, system: animals.url, code: 'animal' })), 'result'), true);
    assert.equal(
      value(validate(query({ url, system: animals.url, code: 'animal', abstract: 'false' })), 'result'),
      false,
    );
  });
  test('what cannot be decided is never yes', () => {
    const open = validate(
      query({ url: 'http://hl7.org/fhir/ValueSet/condition-code', system: 'http://snomed.info/sct', code: '1' }),
    );
    assert.equal(value(open, 'result'), false);
    assert.match(String(value(open, 'message')), /could not be checked/);
  });
  test('refuses unknown value sets and missing or doubled codes', () => {
    assert.throws(() => validate(query({ url: 'http://example.org/nowhere', code: 'x' })), refused(404, 'not-found'));
    assert.throws(() => validate(query({ url })), refused(400, 'required'));
    assert.throws(
      () =>
        validate(
          body(
            { name: 'url', valueUri: url },
            { name: 'code', valueCode: 'dog' },
            { name: 'coding', valueCoding: { code: 'dog' } },
          ),
        ),
      refused(400, 'invalid'),
    );
    assert.throws(
      () => validate(body({ name: 'url', valueUri: url }, { name: 'coding', valueCoding: 'dog' })),
      refused(400, 'invalid'),
    );
    assert.throws(() => Input.of([], { resourceType: 'Patient' }), refused(400, 'structure'));
  });
});

describe('code systems', () => {
  test('$validate-code answers for a system by its URL, and for one that is given', () => {
    assert.equal(value(validateCodeInSystem(services, query({ url: animals.url, code: 'dog' })), 'result'), true);
    assert.equal(value(validateCodeInSystem(services, query({ url: animals.url, code: 'unicorn' })), 'result'), false);
    const given = { ...animals, url: 'http://example.org/given', concept: [{ code: 'unicorn' }] };
    assert.equal(
      value(
        validateCodeInSystem(
          services,
          body({ name: 'codeSystem', resource: given }, { name: 'code', valueCode: 'unicorn' }),
        ),
        'result',
      ),
      true,
    );
    assert.throws(
      () => validateCodeInSystem(services, query({ url: 'http://snomed.info/sct', code: '1' })),
      refused(404, 'not-found'),
    );
    assert.throws(() => validateCodeInSystem(services, query({ code: '1' })), refused(400, 'required'));
  });

  test('$lookup tells all that is known of a code', () => {
    const found = lookupOperation(services, query({ system: animals.url, code: 'dog' }));
    assert.deepEqual(
      ['name', 'version', 'display'].map((name) => value(found, name)),
      ['Animals', '1.0', 'Dog'],
    );
    const parts = (found.parameter as Part[])
      .filter(({ name }) => name === 'property')
      .map(({ part }) => (part ?? []).slice(0, 2).map((one) => Object.values(one)[1]));
    assert.deepEqual(parts, [
      ['parent', 'mammal'],
      ['inactive', false],
      ['legs', 4],
      ['sound', 'bark'],
    ]);
    assert.deepEqual((found.parameter as Part[]).find(({ name }) => name === 'designation')?.part, [
      { name: 'language', valueCode: 'de' },
      { name: 'value', valueString: 'Hund' },
    ]);
  });
  test('$lookup answers the properties asked for, and units', () => {
    const found = lookupOperation(
      services,
      body(
        { name: 'coding', valueCoding: { system: animals.url, code: 'mammal' } },
        { name: 'property', valueCode: 'child' },
      ),
    );
    assert.equal((found.parameter as Part[]).filter(({ name }) => name === 'property').length, 2);
    assert.equal(
      value(lookupOperation(services, query({ system: 'http://unitsofmeasure.org', code: '[in_i]' })), 'display'),
      'inch',
    );
  });
  test('$lookup refuses unknown codes and systems', () => {
    assert.throws(
      () => lookupOperation(services, query({ system: animals.url, code: 'unicorn' })),
      refused(404, 'not-found'),
    );
    assert.throws(
      () => lookupOperation(services, query({ system: 'http://snomed.info/sct', code: '1' })),
      refused(404, 'not-found'),
    );
    assert.throws(() => lookupOperation(services, query({ code: 'dog' })), refused(400, 'required'));
  });

  test('$subsumes compares two codes', () => {
    const outcome = (codeA: string, codeB: string) =>
      value(subsumesOperation(services, query({ system: animals.url, codeA, codeB })), 'outcome');
    assert.equal(outcome('animal', 'dog'), 'subsumes');
    assert.equal(outcome('dog', 'animal'), 'subsumed-by');
    assert.equal(outcome('dog', 'dog'), 'equivalent');
    assert.equal(outcome('dog', 'cat'), 'not-subsumed');
    const act = 'http://terminology.hl7.org/CodeSystem/v3-ActCode';
    assert.equal(
      value(subsumesOperation(services, query({ system: act, codeA: '_ActEncounterCode', codeB: 'AMB' })), 'outcome'),
      'subsumes',
    );
    assert.throws(() => outcome('dog', 'unicorn'), refused(404, 'not-found'));
    assert.throws(() => subsumesOperation(services, query({ codeA: 'dog', codeB: 'cat' })), refused(400, 'required'));
  });
});
