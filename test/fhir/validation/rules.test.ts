import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { Resource } from '../../../src/base/resource.js';
import type { CanonicalResource } from '../../../src/fhir/definitions/types.js';
import { createTerminology } from '../../../src/fhir/terminology/terminology.js';
import { createValidator } from '../../../src/fhir/validation/create-validator.js';
import type { ValidationOptions, Validator } from '../../../src/fhir/validation/validator.js';
import { core } from './corpus.js';

const base = createValidator({ definitions: core, terminology: createTerminology(core) });
const url = 'http://example.org/profile';

/** Errors as `rule expression`. */
function errors(resource: object, options: ValidationOptions = {}, validator: Validator = base): string[] {
  return validator
    .validate(resource as Resource, options)
    .filter(({ severity }) => severity === 'error' || severity === 'fatal')
    .map(({ rule, expression }) => `${rule} ${expression}`);
}

/** A validator that knows a profile of `type` with this differential. */
function withProfile(type: string, differential: object[]): Validator {
  const profile = {
    resourceType: 'StructureDefinition',
    url,
    name: 'P',
    status: 'active',
    kind: 'resource',
    abstract: false,
    type,
    baseDefinition: `http://hl7.org/fhir/StructureDefinition/${type}`,
    derivation: 'constraint',
    differential: { element: [{ id: type, path: type }, ...differential] },
  };
  const definitions = core.with([profile] as unknown as CanonicalResource[]);
  return createValidator({ definitions, terminology: createTerminology(definitions) });
}

const observation = (more: object): object => ({
  resourceType: 'Observation',
  status: 'final',
  code: { text: 'x' },
  ...more,
});

describe('base rules', () => {
  it('take one type of a choice and refuse two, and types that the choice does not have', () => {
    assert.deepEqual(errors(observation({ valueString: 'a' })), []);
    assert.deepEqual(errors(observation({ valueString: 'a', valueInteger: 1 })), ['choice Observation']);
    assert.deepEqual(errors(observation({ valueDecimal: 1 })), ['unknown-element Observation']);
  });

  it('take extensions of primitives, alone or beside their value, at their place in a list', () => {
    const extension = [{ url: 'http://example.org/e', valueString: 'x' }];
    const name = (given: unknown, companion: unknown): object => ({
      resourceType: 'Patient',
      name: [{ given, _given: companion }],
    });
    assert.deepEqual(errors(name(['a', null], [null, { extension }])), []);
    assert.deepEqual(errors(name(['a', null], [null, null])), ['null Patient.name[0].given[1]']);
    assert.deepEqual(errors({ resourceType: 'Patient', _birthDate: { extension } }), []);
    assert.deepEqual(errors({ resourceType: 'Patient', _birthDate: { id: 'x' } }), ['ele-1 Patient.birthDate']);
  });

  it('count days of months, know zones of times, and take years and months alone', () => {
    for (const date of ['2020', '2020-02', '2020-02-29'])
      assert.deepEqual(errors({ resourceType: 'Patient', birthDate: date }), []);
    for (const date of ['2019-02-29', '2020-13', '20-1-1', '2020-02-29T00:00:00Z', '0000']) {
      assert.deepEqual(errors({ resourceType: 'Patient', birthDate: date }), ['format-date Patient.birthDate'], date);
    }
    assert.deepEqual(errors(observation({ effectiveDateTime: '2020-02-29T10:00:00+01:00' })), []);
    assert.deepEqual(errors(observation({ effectiveDateTime: '2020-02-29T10:00:00' })), [
      'format-dateTime Observation.effective.ofType(dateTime)',
    ]);
  });

  it('follow references into contained resources and demand that each of these is used', () => {
    const organization = { resourceType: 'Organization', id: 'o', name: 'O' };
    const patient = (reference: string): object => ({
      resourceType: 'Patient',
      contained: [organization],
      managingOrganization: { reference },
    });
    assert.deepEqual(errors(patient('#o')), []);
    assert.deepEqual(errors(patient('#p')), ['ref-1 Patient.managingOrganization', 'dom-3 Patient.contained[0]']);
    const wrong = {
      ...(patient('#o') as Record<string, object>),
      contained: [{ resourceType: 'Basic', id: 'o', code: { text: 'x' } }],
    };
    assert.deepEqual(errors(wrong), ['reference-target Patient.managingOrganization']);
  });

  it('take literal references at their word unless told otherwise', () => {
    const patient = { resourceType: 'Patient', managingOrganization: { reference: 'Observation/1' } };
    assert.deepEqual(errors(patient), ['reference-target Patient.managingOrganization']);
    assert.deepEqual(errors(patient, { checkReferenceTypes: false }), []);
    assert.deepEqual(errors({ ...patient, managingOrganization: { reference: 'Organization/1' } }), []);
  });

  it('let a known extension stand where its definition allows, with the value that it allows', () => {
    const extension = (value: object): object[] => [
      { url: 'http://hl7.org/fhir/StructureDefinition/patient-birthPlace', ...value },
    ];
    assert.deepEqual(errors({ resourceType: 'Patient', extension: extension({ valueAddress: { city: 'X' } }) }), []);
    assert.deepEqual(errors({ resourceType: 'Patient', extension: extension({ valueString: 'X' }) }), [
      'type Patient.extension[0].value.ofType(string)',
    ]);
    assert.deepEqual(errors(observation({ extension: extension({ valueAddress: { city: 'X' } }) })), [
      'extension-context Observation.extension[0]',
    ]);
  });

  it('take simple narrative and refuse scripts, broken markup and emptiness', () => {
    const patient = (content: string): object => ({
      resourceType: 'Patient',
      text: { status: 'generated', div: `<div xmlns="http://www.w3.org/1999/xhtml">${content}</div>` },
    });
    assert.deepEqual(errors(patient('<p>a &amp; <b>b</b></p><a href="http://x.org">c</a>')), []);
    assert.deepEqual(errors(patient('<script>a</script>')), ['txt-1 Patient.text.div']);
    assert.deepEqual(errors(patient('<p><b>x</p></b>')), ['xhtml Patient.text.div']);
    assert.deepEqual(errors(patient('&nbsp;x')), ['xhtml Patient.text.div']);
    assert.deepEqual(errors(patient(' ')), ['txt-2 Patient.text.div']);
    assert.deepEqual(errors(patient('<a href="javascript:x">c</a>')), ['xhtml-link Patient.text.div']);
  });
});

describe('profiles given as differentials', () => {
  it('tighten cardinality, types, values and bindings', () => {
    const validator = withProfile('Observation', [
      { id: 'Observation.subject', path: 'Observation.subject', min: 1 },
      { id: 'Observation.note', path: 'Observation.note', max: '0' },
      { id: 'Observation.value[x]', path: 'Observation.value[x]', type: [{ code: 'Quantity' }, { code: 'string' }] },
      {
        id: 'Observation.code',
        path: 'Observation.code',
        patternCodeableConcept: { coding: [{ system: 'http://loinc.org' }] },
      },
    ]);
    const code = { coding: [{ system: 'http://loinc.org', code: '1' }], text: 'y' };
    const subject = { reference: 'Patient/1' };
    const check = (more: object): string[] =>
      errors(observation({ code, subject, ...more }), { profiles: [url] }, validator);
    assert.deepEqual(check({ valueString: 'a' }), []);
    assert.deepEqual(check({ valueInteger: 1 }), ['type Observation.value.ofType(integer)']);
    assert.deepEqual(check({ note: [{ text: 'x' }] }), ['cardinality-max Observation']);
    assert.deepEqual(check({ subject: undefined }), ['cardinality-min Observation']);
    assert.deepEqual(check({ code: { text: 'y' } }), ['pattern Observation.code']);
  });

  it('slice by value, count each slice, and close what is closed', () => {
    const validator = withProfile('Patient', [
      {
        id: 'Patient.identifier',
        path: 'Patient.identifier',
        slicing: { discriminator: [{ type: 'value', path: 'system' }], ordered: true, rules: 'closed' },
      },
      { id: 'Patient.identifier:a', path: 'Patient.identifier', sliceName: 'a', min: 1, max: '1' },
      { id: 'Patient.identifier:a.system', path: 'Patient.identifier.system', min: 1, fixedUri: 'http://a.org' },
      { id: 'Patient.identifier:a.value', path: 'Patient.identifier.value', min: 1 },
      { id: 'Patient.identifier:b', path: 'Patient.identifier', sliceName: 'b', max: '1' },
      { id: 'Patient.identifier:b.system', path: 'Patient.identifier.system', min: 1, fixedUri: 'http://b.org' },
    ]);
    const check = (...systems: string[]): string[] =>
      errors(
        { resourceType: 'Patient', identifier: systems.map((system) => ({ system, value: '1' })) },
        { profiles: [url] },
        validator,
      );
    assert.deepEqual(check('http://a.org', 'http://b.org'), []);
    assert.deepEqual(check('http://b.org'), ['cardinality-min Patient']);
    assert.deepEqual(check('http://a.org', 'http://a.org'), ['cardinality-max Patient']);
    assert.deepEqual(check('http://b.org', 'http://a.org'), ['slicing-order Patient.identifier[1]']);
    assert.deepEqual(check('http://a.org', 'http://c.org'), ['slicing-closed Patient.identifier[1]']);
    const noValue = { resourceType: 'Patient', identifier: [{ system: 'http://a.org' }] };
    assert.deepEqual(errors(noValue, { profiles: [url] }, validator), ['cardinality-min Patient.identifier[0]']);
  });

  it('slice by type of a resolved reference, and by existence', () => {
    const validator = withProfile('Observation', [
      {
        id: 'Observation.performer',
        path: 'Observation.performer',
        slicing: { discriminator: [{ type: 'type', path: 'resolve()' }], rules: 'open' },
      },
      {
        id: 'Observation.performer:who',
        path: 'Observation.performer',
        sliceName: 'who',
        min: 1,
        type: [{ code: 'Reference', targetProfile: ['http://hl7.org/fhir/StructureDefinition/Practitioner'] }],
      },
      {
        id: 'Observation.component',
        path: 'Observation.component',
        slicing: { discriminator: [{ type: 'exists', path: 'value' }], rules: 'open' },
      },
      { id: 'Observation.component:with', path: 'Observation.component', sliceName: 'with', max: '1' },
      { id: 'Observation.component:with.value[x]', path: 'Observation.component.value[x]', min: 1 },
      { id: 'Observation.component:without', path: 'Observation.component', sliceName: 'without' },
      { id: 'Observation.component:without.value[x]', path: 'Observation.component.value[x]', max: '0' },
    ]);
    const check = (references: string[], component?: object[]): string[] =>
      errors(
        observation({ performer: references.map((reference) => ({ reference })), component }),
        { profiles: [url] },
        validator,
      );
    const value = { code: { text: 'x' }, valueString: 'x' };
    assert.deepEqual(check(['Organization/1', 'Practitioner/1']), []);
    assert.deepEqual(check(['Organization/1']), ['cardinality-min Observation']);
    assert.deepEqual(check(['Practitioner/1'], [value, { code: { text: 'y' } }]), []);
    assert.deepEqual(check(['Practitioner/1'], [value, value]), ['cardinality-max Observation']);
  });

  it('add invariants, and are errors or warnings when they are not at hand', () => {
    const constraint = [
      {
        key: 'x-1',
        severity: 'error',
        human: 'a name or an identifier',
        expression: 'name.exists() or identifier.exists()',
      },
    ];
    const validator = withProfile('Patient', [{ id: 'Patient.birthDate', path: 'Patient.birthDate', min: 0 }]);
    const strict = withProfile('Patient', [{ id: 'Patient', path: 'Patient', constraint }]);
    const declared = { resourceType: 'Patient', active: true, meta: { profile: [url] } };
    assert.deepEqual(errors(declared, {}, validator), []);
    assert.deepEqual(errors(declared, {}, strict), ['invariant:x-1 Patient']);
    assert.deepEqual(errors({ ...declared, name: [{ family: 'x' }] }, {}, strict), []);
    assert.deepEqual(errors(declared), ['profile-unknown Patient.meta.profile[0]']);
    assert.deepEqual(errors(declared, { unknownProfile: 'warning' }), []);
  });
});

describe('Bundles', () => {
  const patient = { fullUrl: 'http://x.org/Patient/1', resource: { resourceType: 'Patient', id: '1' } };
  const bundle = (more: object): object => ({ resourceType: 'Bundle', type: 'collection', ...more });

  it('have distinct full URLs that end with type and id', () => {
    assert.deepEqual(errors(bundle({ entry: [patient] })), []);
    assert.deepEqual(errors(bundle({ entry: [patient, patient] })), ['invariant:bdl-7 Bundle']);
    const wrong = { ...patient, fullUrl: 'http://x.org/Patient/2' };
    assert.deepEqual(errors(bundle({ entry: [wrong] })), ['bundle-full-url Bundle.entry[0]']);
  });

  it('resolve references inside, and check the types that they lead to', () => {
    const entry = (reference: string): object => ({
      fullUrl: 'http://x.org/Observation/1',
      resource: { ...observation({ subject: { reference } }), id: '1' },
    });
    assert.deepEqual(errors(bundle({ entry: [patient, entry('Patient/1')] })), []);
    const basic = {
      fullUrl: 'urn:uuid:c757873d-ec9a-4326-a141-556f43239520',
      resource: { resourceType: 'Basic', code: { text: 'x' } },
    };
    assert.deepEqual(errors(bundle({ entry: [basic, entry(basic.fullUrl)] }), { checkReferenceTypes: false }), [
      'reference-target Bundle.entry[1].resource.subject',
    ]);
  });

  it('begin with a Composition when they are documents, and with requests everywhere when they are transactions', () => {
    const document = bundle({
      type: 'document',
      identifier: { system: 'http://x.org', value: '1' },
      timestamp: '2020-01-01T00:00:00Z',
      entry: [patient],
    });
    assert.ok(errors(document).includes('bundle-first Bundle.entry[0]'));
    const request = { method: 'POST', url: 'Patient' };
    assert.deepEqual(errors(bundle({ type: 'transaction', entry: [{ ...patient, request }] })), []);
    assert.deepEqual(errors(bundle({ type: 'transaction', entry: [patient] })), ['invariant:bdl-3 Bundle']);
  });
});
