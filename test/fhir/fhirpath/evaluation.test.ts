/** What an expression gives for FHIR JSON: values, types, places, and the environment that it may ask. */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { parseJson } from '../../../src/base/json.js';
import { compileFhirPath, FhirPathError, primitiveNode, Scope } from '../../../src/fhir/fhirpath/fhirpath.js';
import { evaluate, model } from './support.js';

const patient = {
  resourceType: 'Patient',
  id: 'p1',
  active: true,
  birthDate: '1974-12-25',
  _birthDate: { extension: [{ url: 'http://x/time', valueDateTime: '1974-12-25T14:35:45-05:00' }] },
  name: [
    { use: 'official', family: 'Chalmers', given: ['Peter', 'James'] },
    {
      use: 'usual',
      given: [null, 'Jim'],
      _given: [{ extension: [{ url: 'http://x/hidden', valueBoolean: true }] }, null],
    },
  ],
  contained: [{ resourceType: 'Organization', id: 'o1', name: 'Org' }],
  managingOrganization: { reference: '#o1' },
  generalPractitioner: [{ reference: 'Practitioner/x' }, { display: 'nobody' }],
};
const observation = (value: object) => ({ resourceType: 'Observation', status: 'final', ...value });

describe('primitives with extensions', () => {
  it('have their extensions, and exist without a value', () => {
    assert.deepEqual(evaluate("birthDate.extension('http://x/time').value", patient), ['1974-12-25T14:35:45-05:00']);
    assert.deepEqual(evaluate('name[1].given.count()', patient), [2]);
    assert.deepEqual(evaluate('name[1].given.select(hasValue())', patient), [false, true]);
    assert.deepEqual(evaluate("name[1].given.extension('http://x/hidden').value", patient), [true]);
    assert.deepEqual(evaluate('name[0].given[0].extension', patient), []);
  });

  it('are the empty text to string functions, but in the strict mode nothing', () => {
    const hidden = { resourceType: 'Patient', _birthDate: patient._birthDate, name: [{ _family: { id: 'f' } }] };
    const expression = "name.family.startsWith('x')";
    assert.deepEqual(evaluate(expression, hidden), [false]);
    assert.deepEqual(evaluate(expression, hidden, {}, { strict: true }), []);
  });

  it('are inputs too', () => {
    const path = compileFhirPath("extension('http://x').exists() and $this <= @2020", model, { type: 'date' });
    const sibling = { extension: [{ url: 'http://x', valueBoolean: true }] };
    assert.equal(path.test(primitiveNode(model, '2019', 'date', sibling)), true);
    assert.equal(path.test(primitiveNode(model, '2021', 'date', sibling)), false);
    assert.equal(path.test('2019'), false);
  });
});

describe('decimals', () => {
  it('keep the precision in which they were written', () => {
    const exact = parseJson('{"resourceType":"Observation","valueQuantity":{"value":1.50,"unit":"x"}}');
    assert.deepEqual(evaluate('value.value.precision()', exact), [2]);
    assert.deepEqual(evaluate('value.value.toString()', exact), ['1.50']);
    assert.deepEqual(evaluate('value.value = 1.5', exact), [true]);
  });

  it('are added without binary fractions', () => {
    assert.deepEqual(evaluate('0.1 + 0.2 = 0.3'), [true]);
    assert.deepEqual(evaluate('1.2 * 3'), [3.6]);
  });

  it('of twenty digits are told apart', () => {
    const [a, b] = ['12345678901234567890.1', '12345678901234567890.2'].map((text) =>
      parseJson(`{"resourceType":"Observation","valueQuantity":{"value":${text}}}`),
    );
    assert.deepEqual(evaluate('value.value = 12345678901234567890.1', a), [true]);
    assert.deepEqual(evaluate('value.value = 12345678901234567890.1', b), [false]);
  });
});

describe('choice elements', () => {
  it('are reached by their name without the type, and by it only in the lenient mode', () => {
    const quantity = observation({ valueQuantity: { value: 1, code: 'mg' } });
    assert.deepEqual(evaluate('value.code', quantity), ['mg']);
    assert.deepEqual(evaluate('valueQuantity.code', quantity), ['mg']);
    assert.throws(() => evaluate('valueQuantity.code', quantity, {}, { strict: true }), { kind: 'semantic' });
  });

  it('are narrowed by type', () => {
    const text = observation({ valueString: 'x' });
    assert.deepEqual(evaluate('value.ofType(string)', text), ['x']);
    assert.deepEqual(evaluate('value.ofType(Quantity)', text), []);
    assert.deepEqual(evaluate('(value as CodeableConcept).text', text), []);
    assert.deepEqual(evaluate('value is string', text), [true]);
    assert.deepEqual(evaluate('value is Quantity', text), [false]);
    assert.deepEqual(evaluate('value is Quantity', observation({})), []);
  });

  it('tell the type that they have', () => {
    const values = compileFhirPath('Observation.value | Observation.status', model).values(
      observation({ valueString: 'x' }),
    );
    assert.deepEqual(values, [
      { value: 'x', type: 'string' },
      { value: 'final', type: 'code' },
    ]);
  });
});

describe('typed values', () => {
  it('name backbone elements by path, resources by type, and carry the sibling of a primitive', () => {
    const bundle = { resourceType: 'Bundle', entry: [{ resource: patient }] };
    const type = (expression: string, input: object) =>
      compileFhirPath(expression, model)
        .values(input)
        .map((one) => one.type);
    assert.deepEqual(type('entry', bundle), ['Bundle.entry']);
    assert.deepEqual(type('entry.resource', bundle), ['Patient']);
    assert.deepEqual(type('entry.resource.name.family', bundle), ['string']);
    assert.deepEqual(type('name.count()', patient), ['System.Integer']);
    assert.deepEqual(type('id', patient), ['id']);
    const [date] = compileFhirPath('birthDate', model).values(patient);
    assert.equal(date.element, patient._birthDate);
  });

  it('follow content references', () => {
    const questionnaire = { resourceType: 'Questionnaire', item: [{ linkId: '1', item: [{ linkId: '2' }] }] };
    assert.deepEqual(compileFhirPath('item.item', model).values(questionnaire)[0].type, 'Questionnaire.item');
    assert.deepEqual(evaluate('repeat(item).linkId', questionnaire), ['1', '2']);
  });
});

describe('places', () => {
  it('say where in the tree a result hangs', () => {
    const [name, given] = ["name.where(use = 'official')", 'name[0].given[1]'].map(
      (expression) => compileFhirPath(expression, model).locate(patient)[0].place,
    );
    assert.deepEqual([name?.parent, name?.key, name?.index], [patient, 'name', 0]);
    assert.deepEqual([given?.parent, given?.key, given?.index], [patient.name[0], 'given', 1]);
  });

  it('are those of the JSON key for a choice element', () => {
    const quantity = observation({ valueQuantity: { value: 1 } });
    const [value] = compileFhirPath('value', model).locate(quantity);
    assert.deepEqual([value.type, value.place?.key, value.place?.index], ['Quantity', 'valueQuantity', undefined]);
  });

  it('are missing for computed values and for the input itself', () => {
    const places = compileFhirPath('Patient | name.count()', model).locate(patient);
    assert.deepEqual(
      places.map((one) => one.place),
      [undefined, undefined],
    );
  });
});

describe('the environment', () => {
  it('resolves fragments inside the root resource, and asks for everything else', () => {
    const asked: string[] = [];
    const env = {
      resolve(reference: string) {
        asked.push(reference);
        return reference === 'Practitioner/x' ? { resourceType: 'Practitioner', id: 'x' } : undefined;
      },
    };
    assert.deepEqual(evaluate('managingOrganization.resolve().name', patient, env), ['Org']);
    assert.deepEqual(evaluate('generalPractitioner.resolve().id', patient, env), ['x']);
    assert.deepEqual(evaluate('generalPractitioner.where(resolve() is Practitioner).count()', patient, env), [1]);
    assert.deepEqual(asked, ['Practitioner/x', 'Practitioner/x']);
  });

  it('gives %resource, %rootResource, %context and variables', () => {
    const [contained] = patient.contained;
    const env = { resource: contained, rootResource: patient, variables: { limit: 3 } };
    assert.deepEqual(evaluate('%resource.id | %rootResource.id | %context.id', contained, env), ['o1', 'p1']);
    assert.deepEqual(evaluate('%limit + 1', contained, env), [4]);
    assert.throws(() => evaluate('%nothing', contained, env), { kind: 'execution' });
    assert.deepEqual(evaluate("%`vs-observation-status` & %'ext-x'"), [
      'http://hl7.org/fhir/ValueSet/observation-statushttp://hl7.org/fhir/StructureDefinition/x',
    ]);
  });

  it('decides memberOf and conformsTo, and their absence is an error', () => {
    const env = {
      memberOf: (value: unknown, type: string, url: string) =>
        url === 'vs' ? `${type} ${String(value)}` === 'code usual' : undefined,
      conformsTo: (_: unknown, url: string) => (url === 'profile' ? true : undefined),
    };
    assert.deepEqual(evaluate("name[1].use.memberOf('vs')", patient, env), [true]);
    assert.deepEqual(evaluate("name[0].use.memberOf('vs')", patient, env), [false]);
    assert.deepEqual(evaluate("name[0].use.memberOf('other')", patient, env), []);
    assert.deepEqual(evaluate("conformsTo('profile')", patient, env), [true]);
    assert.throws(() => evaluate("conformsTo('other')", patient, env), { kind: 'execution' });
    assert.throws(() => evaluate("name[0].use.memberOf('vs')", patient), { kind: 'execution' });
  });

  it('has one time for all of an evaluation, from its clock', () => {
    let now = Date.UTC(2024, 1, 29, 10, 20, 30);
    const scope = new Scope({ clock: { now: () => now++ } });
    const at = (expression: string) => compileFhirPath(expression, model).evaluate(undefined, scope);
    assert.deepEqual(at('now()'), ['2024-02-29T10:20:30.000Z']);
    assert.deepEqual(at('now()'), ['2024-02-29T10:20:30.000Z']);
    assert.deepEqual(at('today()'), ['2024-02-29']);
    assert.deepEqual(at('timeOfDay()'), ['10:20:30.000']);
    assert.deepEqual(at('today() + 1 year'), ['2025-02-28']);
  });

  it('hears of traces', () => {
    const heard: unknown[] = [];
    evaluate("name.trace('n', family).exists()", patient, { trace: (name, values) => heard.push([name, values]) });
    assert.deepEqual(heard, [['n', ['Chalmers']]]);
  });
});

describe('quantities', () => {
  const compare = (expression: string) => evaluate(expression)[0];

  it('are compared across units of UCUM', () => {
    assert.equal(compare("1 'g' = 1000 'mg'"), true);
    assert.equal(compare("1 'g' > 999 'mg'"), true);
    assert.equal(compare("37 'Cel' = 310.15 'K'"), true);
    assert.equal(compare("2 'h' = 120 minutes"), true);
    assert.equal(compare("1 'g' = 1 'm'"), false);
    assert.equal(compare("1 'g' > 1 'm'"), undefined);
  });

  it('with a text that is no unit equal only the same text, and it is printed nowhere', (context) => {
    const printed = context.mock.method(console, 'log', () => undefined);
    for (const unit of ['Alice Smith', '__proto__', 'mg/', '((', '']) {
      const input = observation({ valueQuantity: { value: 5, unit } });
      assert.deepEqual(evaluate("value > 5 'mg'", input), []);
      assert.deepEqual(evaluate('value = value', input), [true]);
    }
    assert.equal(printed.mock.callCount(), 0);
  });

  it('of FHIR are those of their code where the system is UCUM', () => {
    const weight = { value: 2, unit: 'kilos', system: 'http://unitsofmeasure.org', code: 'kg' };
    assert.deepEqual(evaluate("value = 2000 'g'", observation({ valueQuantity: weight })), [true]);
    assert.deepEqual(evaluate('value + value', observation({ valueQuantity: weight })), [{ value: 4, unit: 'kg' }]);
  });
});

describe('elements without content', () => {
  it('do not exist, though JSON has them', () => {
    const bundle = {
      resourceType: 'Bundle',
      entry: [{ resource: { resourceType: 'Patient' } }, { resource: patient }],
    };
    assert.deepEqual(evaluate('entry.select(resource.exists())', bundle), [false, true]);
    assert.deepEqual(evaluate('value.empty()', observation({ valueQuantity: {} })), [true]);
    assert.deepEqual(evaluate('value.empty()', observation({ valueQuantity: { value: 0 } })), [false]);
  });
});

describe('invariants', () => {
  const test = (expression: string) => compileFhirPath(expression, model).test(patient);

  it('hold when the result is true or something that is no boolean', () => {
    assert.equal(test('active'), true);
    assert.equal(test('name'), true);
    assert.equal(test("'false'"), true);
  });

  it('are broken when it is false or nothing', () => {
    assert.equal(test('active.not()'), false);
    assert.equal(test('deceased'), false);
    assert.equal(test('{}'), false);
    assert.equal(test("birthDate > '1974-12-25'.toDate() "), false);
  });

  it('end in an error where several items stand for a boolean', () => {
    assert.throws(() => test('name and true'), FhirPathError);
    assert.throws(() => test('name.given > 1'), FhirPathError);
  });
});
