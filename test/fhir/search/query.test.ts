/** How query parameters are read: refusals beside what is allowed, handling, shape of the answer. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { FhirError } from '../../../src/base/outcome.js';
import type { Resource } from '../../../src/base/resource.js';
import type { SearchParameter } from '../../../src/fhir/definitions/types.js';
import { compartmentPlan, patientsOf } from '../../../src/fhir/search/compartment.js';
import { checkParameter, createParameters } from '../../../src/fhir/search/parameters.js';
import {
  compareSorted,
  parseCriteria,
  parseSearch,
  revincludePlan,
  type SearchContext,
} from '../../../src/fhir/search/query.js';
import { resourceName } from '../../../src/fhir/search/blind.js';
import { MemoryIndex, testContext } from './memory-index.js';

const context = testContext({
  terminology: {
    expand: (url) =>
      url === 'http://vs/sexes' ? [{ system: 'http://hl7.org/fhir/administrative-gender', code: 'female' }] : undefined,
    related: (system, code, direction) =>
      system === 'http://cs' ? (direction === 'below' ? [code, `${code}.1`] : [code, 'root']) : undefined,
  },
});

function parse(
  search: string,
  type: string | null = 'Patient',
  handling: 'strict' | 'lenient' = 'strict',
  with_: SearchContext = context,
) {
  return parseSearch(with_, type ?? undefined, [...new URLSearchParams(search)], handling);
}

function refusal(search: string, type?: string): FhirError {
  try {
    parse(search, type);
  } catch (error) {
    assert.ok(error instanceof FhirError, String(error));
    return error;
  }
  assert.fail(`${search} was not refused`);
}

const patients: Resource[] = [
  {
    resourceType: 'Patient',
    id: 'a',
    gender: 'female',
    birthDate: '1970-01-01',
    name: [{ family: 'Zeta' }],
    managingOrganization: { reference: 'Organization/o' },
  },
  { resourceType: 'Patient', id: 'b', gender: 'male', birthDate: '1980-01-01', name: [{ family: 'Alpha' }] },
  { resourceType: 'Patient', id: 'c', gender: 'male' },
];
const others: Resource[] = [
  { resourceType: 'Organization', id: 'o', name: 'Clinic', partOf: { reference: 'Organization/top' } },
  { resourceType: 'Organization', id: 'top', name: 'Trust' },
  {
    resourceType: 'Observation',
    id: 'x',
    status: 'final',
    code: { coding: [{ system: 'http://cs', code: 'k.1' }] },
    subject: { reference: 'Patient/a' },
    performer: [{ reference: 'Practitioner/d' }],
  },
  { resourceType: 'Practitioner', id: 'd', name: [{ family: 'Grey' }] },
  { resourceType: 'List', id: 'l', status: 'current', mode: 'working', entry: [{ item: { reference: 'Patient/b' } }] },
];
const index = new MemoryIndex(context, [...patients, ...others]);

for (const [search, code, text] of [
  ['nmae=x', 'invalid', /'nmae' is unknown.*name/],
  ['name:exakt=x', 'invalid', /name: modifier ':exakt'.*:exact/],
  ['birthdate=yesterday', 'invalid', /birthdate: found 'yesterday', expected a date/],
  ['birthdate=2013-02-30', 'invalid', /birthdate/],
  ['birthdate:missing=maybe', 'invalid', /expected true or false/],
  ['gender=a|b|c', 'invalid', /gender: found 'a\|b\|c'/],
  ['identifier:of-type=a|b', 'invalid', /expected system\|code\|value/],
  ['gender:in=http://vs/unknown', 'invalid', /value set 'http:\/\/vs\/unknown' is not known/],
  ['name.given=x', 'invalid', /only references can be chained/],
  ['organization.nmae=x', 'invalid', /'nmae' is unknown in a search of Organization/],
  ['_has:Observation:code=x', 'invalid', /expected _has:Type:reference:parameter/],
  ['_has:Nothing:patient:code=x', 'invalid', /'Nothing' is no resource type/],
  ['_has:Observation:code:status=x', 'invalid', /no reference parameter/],
  ['_query=named', 'not-supported', /named queries/],
  ['_contained=perhaps', 'invalid', /_contained/],
  ['_list=$current-problems', 'invalid', /holds Condition, not Patient/],
  ['_list=$all-problems', 'invalid', /\$current-problems/],
  ['_contained=true&organization.name=x', 'not-supported', /chains/],
  ['_contained=true&_sort=name', 'not-supported', /_sort=_lastUpdated/],
  ['_count=-1', 'invalid', /_count: found '-1'/],
  ['_total=some', 'invalid', /none, estimate, accurate/],
  ['_summary=all', 'invalid', /_summary/],
  ['_sort=nmae', 'invalid', /'nmae' is unknown/],
  ['_include=Patient:name', 'invalid', /no reference parameter/],
  ['_include=Patient:nothing', 'invalid', /'nothing' is unknown/],
  ['_include:twice=Patient:organization', 'invalid', /:iterate/],
  ['_filter=name eq', 'invalid', /position 8, expected a value/],
  ['_filter=name is "x"', 'invalid', /expected an operator/],
  ['_filter=gender co "x"', 'invalid', /operator 'co' does not apply/],
  ['gender=', 'invalid', /gender: has no value/],
] as const) {
  test(`${search} is refused, and the refusal says why`, () => {
    const error = refusal(search);
    assert.equal(error.status, 400);
    assert.deepEqual([error.issues[0].code, text.test(error.issues[0].diagnostics)], [code, true], error.message);
  });
}

test('all wrong parameters are told at once', () => {
  assert.equal(refusal('nmae=x&birthdate=never&gender=male').issues.length, 2);
});

test('lists, chains and plans have limits, and what is below them is answered', () => {
  const limits = { values: 3, expansion: 10, chainDepth: 2, planSize: 500 };
  const within = { ...context, limits };
  const code = (search: string, type = 'Patient') => {
    try {
      parse(search, type, 'strict', within);
      return 'answered';
    } catch (error) {
      return (error as FhirError).issues[0].code;
    }
  };
  assert.equal(code('gender=a,b,c'), 'answered');
  assert.equal(code('gender=a,b,c,d'), 'too-costly');
  assert.equal(code('organization.partof.name=x'), 'answered');
  assert.equal(code('organization.partof.partof.name=x'), 'too-costly');
  assert.equal(code('subject.birthdate=gt1970', 'Observation'), 'answered');
  assert.equal(code('focus.date=gt1970', 'Observation'), 'too-costly');
});

test('lenient handling passes over what is unknown, tells it, and leaves it out of what was applied', () => {
  const query = parse('gender=male&nmae=x&name:exakt=y&_sort=nothing&_count=5', 'Patient', 'lenient');
  assert.deepEqual(query.applied, [['gender', 'male'], ['_count', '5']]); // prettier-ignore
  assert.deepEqual(query.ignored.map(({ severity }) => severity), ['warning', 'warning', 'warning']); // prettier-ignore
  assert.equal(query.count, 5);
});

test('lenient handling still refuses wrong values of known parameters', () => {
  assert.throws(() => parse('birthdate=never', 'Patient', 'lenient'), FhirError);
});

test('a search without parameters finds every resource of its type', async () => {
  assert.deepEqual(await index.search(parse('')), ['Patient/a', 'Patient/b', 'Patient/c']);
});

test('a search of the whole system finds all types, and _type narrows it', async () => {
  assert.equal((await index.search(parse('', null))).length, 8);
  assert.deepEqual(await index.search(parse('_type=Organization,List', null)), [
    'List/l',
    'Organization/o',
    'Organization/top',
  ]);
  assert.deepEqual(await index.search(parse('_type=Patient,Organization&_id=a,o', null)), [
    'Organization/o',
    'Patient/a',
  ]);
  assert.deepEqual(await index.search(parse('_id=a,o', null)), ['Organization/o', 'Patient/a']);
  assert.throws(() => parse('_type=Nothing', null), /'Nothing' is no resource type/);
  assert.throws(() => parse('gender=male', null), /unknown in a search of all types/);
});

test('chains and _has follow references, nested in one another', async () => {
  assert.deepEqual(await index.search(parse('organization.name=clin')), ['Patient/a']);
  assert.deepEqual(await index.search(parse('organization.partof.name=trust')), ['Patient/a']);
  assert.deepEqual(await index.search(parse('organization.name=trust')), []);
  assert.deepEqual(await index.search(parse('_has:Observation:patient:status=final')), ['Patient/a']);
  assert.deepEqual(await index.search(parse('_has:Observation:patient:performer:Practitioner.name=grey')), [
    'Patient/a',
  ]);
  assert.deepEqual(await index.search(parse('subject:Patient._has:Observation:subject:status=final', 'Observation')), [
    'Observation/x',
  ]);
  assert.deepEqual(
    await index.search(parse('_has:Patient:organization:_has:Observation:patient:status=final', 'Organization')),
    ['Organization/o'],
  );
  assert.deepEqual(await index.search(parse('_list=l')), ['Patient/b']);
});

test('an inexact condition inside a chain is settled first', async () => {
  const query = parse('organization.name:contains=lini');
  assert.equal(query.subqueries.length, 1);
  assert.deepEqual(await index.search(query), ['Patient/a']);
  const either = parse('_filter=organization.name co "lini" or name co "lph"');
  assert.deepEqual(await index.search(either), ['Patient/a', 'Patient/b']);
  assert.deepEqual(await index.search(parse('_filter=not (organization.name co "lini")')), ['Patient/b', 'Patient/c']);
});

test('the hierarchy of organisations is followed by :below and :above', async () => {
  assert.deepEqual(await index.search(parse('organization:below=top')), ['Patient/a']);
  assert.deepEqual(await index.search(parse('organization=top')), []);
  assert.throws(() => parse('general-practitioner:below=Practitioner/d'), /no hierarchy/);
});

test('value sets and hierarchies of codes stand for their codes', async () => {
  assert.deepEqual(await index.search(parse('gender:in=http://vs/sexes')), ['Patient/a']);
  assert.deepEqual(await index.search(parse('gender:not-in=http://vs/sexes')), ['Patient/b', 'Patient/c']);
  assert.deepEqual(await index.search(parse('code:below=http://cs|k', 'Observation')), ['Observation/x']);
  assert.deepEqual(await index.search(parse('code:above=http://cs|k', 'Observation')), []);
  assert.throws(
    () => parseSearch(testContext(), 'Patient', [['gender:in', 'http://vs/sexes']], 'strict'),
    /needs a terminology/,
  );
});

test('criteria of conditional interactions are strict and shape nothing', async () => {
  assert.deepEqual(await index.search(parseCriteria(context, 'Patient', 'gender=female&birthdate=1970-01-01')), [
    'Patient/a',
  ]);
  assert.throws(() => parseCriteria(context, 'Patient', 'gender=female&_count=1'), /_count shapes a result/);
  assert.throws(() => parseCriteria(context, 'Patient', ''), /criteria are empty/);
  assert.throws(() => parseCriteria(context, 'Patient', 'unknown=1'), /'unknown' is unknown/);
});

test('sort keys order by any parameter, without a value last in both directions', () => {
  const order = (text: string) => {
    const { sort } = parse(`_sort=${text}`);
    const keys = new Map(patients.map((one) => [one.id, sort.map((spec) => spec.keyOf(one))]));
    const compare = compareSorted(sort);
    return [...keys.keys()].sort((one, other) => compare(keys.get(one) ?? [], keys.get(other) ?? [])).join('');
  };
  assert.equal(order('birthdate'), 'abc');
  assert.equal(order('-birthdate'), 'bac');
  assert.equal(order('family'), 'bac');
  assert.equal(order('gender,-birthdate'), 'abc');
  assert.equal(order('-gender,-_id'), 'cba');
});

test('headers give the same sort keys as opened resources', () => {
  for (const { resource, extracted } of index.rows.slice(0, 3)) {
    for (const spec of parse('_sort=birthdate,-birthdate,family').sort) {
      assert.equal(spec.keyFromHeader(extracted.sortKeys), spec.keyOf(resource));
    }
  }
  assert.equal(parse('_sort=gender').sort[0].keyFromHeader({}), 'unknown');
});

test('includes name their links, and _revinclude finds what refers', () => {
  const { includes, revincludes } = parse(
    '_include=Patient:organization&_include:iterate=Organization:partof:Organization&_include=*&_revinclude=Observation:subject:Patient&_revinclude=Observation:*',
  );
  assert.deepEqual(
    includes.map(({ source, parameter, target, iterate }) => [source, parameter, target, iterate]),
    [['Patient', 'organization', undefined, false], ['Organization', 'partof', 'Organization', true], ['Patient', '*', undefined, false]], // prettier-ignore
  );
  const names = [resourceName(context.blinder, 'Patient', 'a')];
  for (const include of revincludes) {
    const found = [...index.find(revincludePlan(context, include, names))].map(
      (number) => index.rows[number].resource.id,
    );
    assert.deepEqual(found, ['x']);
  }
});

test('_include=Observation:patient includes patients only, though it shares its links with subject', () => {
  assert.equal(parse('_include=Observation:patient', 'Observation').includes[0].target, 'Patient');
  assert.equal(parse('_include=Observation:subject', 'Observation').includes[0].target, undefined);
});

test('compartments hold what refers to their owner', async () => {
  assert.deepEqual(patientsOf(context.parameters, others[2]), ['a']);
  assert.deepEqual(patientsOf(context.parameters, patients[0]), ['a']);
  assert.deepEqual(patientsOf(context.parameters, others[0]), []);
  const inside = { ...context, compartment: { type: 'Patient', id: 'a' } };
  assert.deepEqual(await index.search(parse('status=final', 'Observation', 'strict', inside)), ['Observation/x']);
  const elsewhere = { ...context, compartment: { type: 'Patient', id: 'b' } };
  assert.deepEqual(await index.search(parse('status=final', 'Observation', 'strict', elsewhere)), []);
  const found = [...index.find(compartmentPlan(context, 'Practitioner', 'd'))].map(
    (number) => index.rows[number].resource.id,
  );
  assert.deepEqual(found, ['x', 'd']);
});

test('a SearchParameter added at run time is searched like any other', async () => {
  const maiden = {
    resourceType: 'SearchParameter',
    url: 'http://example.org/SearchParameter/maiden',
    code: 'maiden',
    base: ['Patient'],
    type: 'string',
    expression:
      "Patient.extension.where(url = 'http://hl7.org/fhir/StructureDefinition/patient-mothersMaidenName').value as string",
  } as unknown as SearchParameter;
  const extended = { ...context, parameters: context.parameters.with([maiden]) };
  const patient: Resource = {
    resourceType: 'Patient',
    id: 'm',
    extension: [{ url: 'http://hl7.org/fhir/StructureDefinition/patient-mothersMaidenName', valueString: 'Yost' }],
  };
  const extendedIndex = new MemoryIndex(extended, [patient]);
  assert.deepEqual(await extendedIndex.search(parse('maiden=yo', 'Patient', 'strict', extended)), ['Patient/m']);
  assert.deepEqual(await extendedIndex.search(parse('maiden=no', 'Patient', 'strict', extended)), []);
  assert.throws(() => parse('maiden=yo'), /'maiden' is unknown/);
});

test('a SearchParameter that came after the resources finds them all the same, by opening', async () => {
  const late = (code: string, expression: string) =>
    ({
      resourceType: 'SearchParameter',
      url: `http://example.org/${code}`,
      code,
      base: ['Patient'],
      type: 'date',
      expression,
    }) as unknown as SearchParameter;
  const extended: SearchContext = {
    ...context,
    parameters: context.parameters.with([
      late('multiple', 'Patient.deceased.as(dateTime)'),
      late('met', 'Patient.identifier.period'),
    ]),
    opens: ({ url }) => url.startsWith('http://example.org/'),
  };
  const old = new MemoryIndex(context, [
    {
      resourceType: 'Patient',
      id: 'q',
      deceasedDateTime: '2020-01-01',
      identifier: [{ period: { start: '2019-05-05' } }],
    },
    ...others,
  ]);
  const met = parse('met=ge2019', 'Patient', 'strict', extended);
  assert.deepEqual(await old.search(met), ['Patient/q']);
  assert.ok(met.recheck);
  assert.deepEqual(await old.search(parse('met:missing=true', 'Patient', 'strict', extended)), []);
  const shared = parse('multiple=2020', 'Patient', 'strict', extended);
  assert.deepEqual(await old.search(shared), ['Patient/q']);
  assert.equal(shared.recheck, undefined);
});

test('a SearchParameter that could not be searched by is refused, and harms no other one', () => {
  const bad = {
    resourceType: 'SearchParameter',
    url: 'http://example.org/bad',
    code: 'bad',
    base: ['Patient'],
    type: 'string',
    expression: 'Patient.(',
  } as unknown as SearchParameter;
  assert.throws(
    () => checkParameter(context.parameters, bad),
    (error) =>
      error instanceof FhirError && error.status === 422 && error.issues[0].expression === 'SearchParameter.expression',
  );
  assert.throws(
    () => checkParameter(context.parameters, { ...bad, base: ['Nothing'] }),
    /'Nothing' is no resource type/,
  );
  assert.doesNotThrow(() => checkParameter(context.parameters, { ...bad, expression: 'Patient.name.family' }));
  const extended = { ...context, parameters: context.parameters.with([bad]) };
  assert.doesNotThrow(() => parse('name=x', 'Patient', 'strict', extended));
  assert.throws(() => parse('bad=x', 'Patient', 'strict', extended), /'bad' is unknown/);
});

test('a _filter of absurd depth or length is refused, not run', () => {
  assert.equal(refusal(`_filter=${'not '.repeat(20_000)}gender eq male`).issues[0].code, 'too-costly');
  assert.equal(refusal(`_filter=${'('.repeat(20_000)}`).issues[0].code, 'too-costly');
  assert.equal(refusal(`_filter=${'gender eq male and '.repeat(3_000)}gender eq male`).issues[0].code, 'too-costly');
  assert.doesNotThrow(() => parse(`_filter=${'gender eq male and '.repeat(300)}gender eq male`));
});

test('the expression of every R4 search parameter compiles, nearly all without the FHIRPath engine', () => {
  const { definitions } = context.parameters;
  const parameters = createParameters(definitions);
  const byEngine: string[] = [];
  for (const type of definitions.resourceTypes) {
    for (const { code, selections, composites } of parameters.parametersOf(type).values()) {
      const all = [
        ...selections,
        ...composites.flatMap(({ components }) => components.flatMap((one) => one.selections)),
      ];
      if (all.some(({ types }) => types.length === 0)) byEngine.push(`${type}.${code}`);
      assert.ok(all.length > 0 || code.startsWith('_'), `${type}.${code} selects nothing`);
    }
  }
  assert.deepEqual(byEngine, ['Patient.deceased']);
});
