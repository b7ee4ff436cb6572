import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import {
  buildClientSchema,
  getIntrospectionQuery,
  parse,
  validate,
  validateSchema,
  type IntrospectionQuery,
} from 'graphql';
import { TestServer, type Answer } from './server.js';

const json = { 'Content-Type': 'application/json' };

describe('$graphql', () => {
  let server: TestServer;
  /** A token of somebody to whom nobody permits anything. */
  let stranger: string;

  const put = async (resource: { resourceType: string; id: string; [key: string]: unknown }) => {
    const answer = await server.put(`${resource.resourceType}/${resource.id}`, resource);
    assert.equal(answer.status, 201, answer.text);
  };
  const ask = (place: string, query: string, token?: string) =>
    server.get(`${place}$graphql?query=${encodeURIComponent(query)}`, token === undefined ? {} : { token });
  const data = async (place: string, query: string) => {
    const answer = await ask(place, query);
    assert.equal(answer.status, 200, answer.text);
    assert.match(answer.headers.get('content-type') ?? '', /^application\/json/);
    return answer.body.data;
  };
  /** Status, issue code and text of a refusal; the OperationOutcome stands in the extensions. */
  const refusal = ({ status, body }: Answer) => {
    const { message, extensions } = body.errors[0];
    assert.equal(extensions.resource.resourceType, 'OperationOutcome');
    assert.equal(extensions.resource.issue[0].diagnostics, message);
    return [status, extensions.resource.issue[0].code];
  };

  before(async () => {
    server = await TestServer.start({ DEFAULT_CONSENT: 'deny' });
    stranger = await server.tokenFor({ actor: 'Practitioner/stranger', scope: 'user/*.cruds' });
    await put({ resourceType: 'Organization', id: 'clinic', name: 'Clinic' });
    // The example patient of the specification, as far as its GraphQL page shows it.
    await put({
      resourceType: 'Patient',
      id: 'example',
      identifier: [{ system: 'urn:oid:1.2.36.146.595.217.0.1', value: '12345' }],
      active: true,
      name: [
        { use: 'official', family: 'Chalmers', given: ['Peter', 'James'] },
        { use: 'usual', given: ['Jim'] },
        { use: 'maiden', family: 'Windsor', given: ['Peter', 'James'] },
      ],
      gender: 'male',
      birthDate: '1974-12-25',
      _birthDate: {
        extension: [
          {
            url: 'http://hl7.org/fhir/StructureDefinition/patient-birthTime',
            valueDateTime: '1974-12-25T14:35:45-05:00',
          },
        ],
      },
      managingOrganization: { reference: 'Organization/clinic' },
      contained: [{ resourceType: 'Practitioner', id: 'gp', name: [{ family: 'Contained' }] }],
      generalPractitioner: [{ reference: '#gp' }],
    });
    await put({ resourceType: 'Patient', id: 'other', name: [{ family: 'Other' }], birthDate: '1990-01-01' });
    for (const [id, code, value] of [
      ['o1', '29463-7', '70.10'],
      ['o2', '29463-7', '71.20'],
      ['o3', '8302-2', '180'],
    ]) {
      const text = `{"resourceType":"Observation","id":"${id}","status":"final","code":{"coding":[{"system":"http://loinc.org","code":"${code}"}]},
        "subject":{"reference":"Patient/example"},"effectiveDateTime":"2020-01-01","valueQuantity":{"value":${value},"unit":"x"}}`;
      assert.equal((await server.put(`Observation/${id}`, text)).status, 201);
    }
  });
  after(() => server.stop());

  describe('fields of one resource', () => {
    it('come as they are named, with aliases, choices, extensions of primitives and exact decimals', async () => {
      const query = '{ resourceType id first: active birthDate _birthDate { extension { valueDateTime } } }';
      assert.deepEqual(await data('Patient/example/', query), {
        resourceType: 'Patient',
        id: 'example',
        first: true,
        birthDate: '1974-12-25',
        _birthDate: { extension: [{ valueDateTime: '1974-12-25T14:35:45-05:00' }] },
      });
      const exact = await ask('Observation/o1/', '{ valueQuantity { value } value { unit } valueString }');
      assert.equal(exact.text, '{"data":{"valueQuantity":{"value":70.10},"value":{"unit":"x"}}}');
    });

    it('are narrowed by element, FHIRPath, offset and count', async () => {
      const given = async (args: string) => data('Patient/example/', `{ name(${args}) { given } }`);
      assert.deepEqual(await given('use: usual'), { name: [{ given: ['Jim'] }] });
      assert.deepEqual(await given('fhirpath: "family.exists().not()"'), { name: [{ given: ['Jim'] }] });
      assert.deepEqual(await given('_offset: 1, _count: 1'), { name: [{ given: ['Jim'] }] });
      const byUrl =
        '{ _birthDate { time: extension(url: "http://hl7.org/fhir/StructureDefinition/patient-birthTime") { value: valueDateTime } } }';
      assert.deepEqual(await data('Patient/example/', byUrl), {
        _birthDate: { time: [{ value: '1974-12-25T14:35:45-05:00' }] },
      });
    });

    it('take fragments, variables, @skip and @include', async () => {
      const body = {
        query:
          'query One($use: code, $no: Boolean!) { name(use: $use) { ...part } gender @skip(if: $no) active @include(if: false) ... on Practitioner { photo { url } } } fragment part on HumanName { given }',
        variables: { use: 'usual', no: true },
      };
      const headers = { 'Content-Type': 'application/json' };
      const answer = await server.post('Patient/example/$graphql', body, { headers });
      assert.deepEqual(answer.body, { data: { name: [{ given: ['Jim'] }] } });
      const plain = await server.post('Patient/example/$graphql', '{ gender }', {
        headers: { 'Content-Type': 'application/graphql' },
      });
      assert.deepEqual(plain.body, { data: { gender: 'male' } });
    });

    it('follow references, to contained resources too; what is not of the wanted type is left out', async () => {
      const query =
        '{ managingOrganization { reference resource { ... on Organization { name } } } generalPractitioner { resource(type: Practitioner) { name { family } } } }';
      assert.deepEqual(await data('Patient/example/', query), {
        managingOrganization: { reference: 'Organization/clinic', resource: { name: 'Clinic' } },
        generalPractitioner: [{ resource: { name: [{ family: 'Contained' }] } }],
      });
      const both = '{ subject { resource(type: Group) { quantity } resource(type: Patient) { birthDate } } }';
      assert.deepEqual(await data('Observation/o1/', both), { subject: { resource: { birthDate: '1974-12-25' } } });
    });

    it('bring what refers to the resource', async () => {
      const query = '{ id ObservationList(_reference: patient, code: "8302-2") { id } }';
      assert.deepEqual(await data('Patient/example/', query), { id: 'example', ObservationList: [{ id: 'o3' }] });
      const none = '{ ObservationList(_reference: patient, code: "0-0") { id } }';
      assert.deepEqual(await data('Patient/example/', none), { ObservationList: [] });
      assert.deepEqual(refusal(await ask('Patient/example/', '{ ObservationList(code: "8302-2") { id } }')), [
        400,
        'invalid',
      ]);
    });
  });

  describe('directives that flatten (the examples of the specification)', () => {
    it('@flatten puts children in the place of their parent, as lists', async () => {
      assert.deepEqual(
        await data(
          'Patient/example/',
          '{ identifier @flatten { system value } active name @flatten { text given family } }',
        ),
        {
          system: ['urn:oid:1.2.36.146.595.217.0.1'],
          value: ['12345'],
          active: true,
          given: ['Peter', 'James', 'Jim', 'Peter', 'James'],
          family: ['Chalmers', 'Windsor'],
        },
      );
    });

    it('@first takes the first of each, @singleton makes one value of a list, or refuses', async () => {
      const first = await data('Patient/example/', '{ name @flatten { given @first family } }');
      assert.deepEqual(first, { given: ['Peter', 'Jim', 'Peter'], family: ['Chalmers', 'Windsor'] });
      const single =
        '{ identifier @flatten { system @singleton value @singleton } active name @flatten @first { given family @singleton } }';
      assert.deepEqual(await data('Patient/example/', single), {
        system: 'urn:oid:1.2.36.146.595.217.0.1',
        value: '12345',
        active: true,
        given: ['Peter', 'James'],
        family: 'Chalmers',
      });
      const several = await ask('Patient/example/', '{ name @flatten { family @singleton } }');
      assert.deepEqual(refusal(several), [422, 'business-rule']);
    });

    it('@slice names the slices by FHIRPath or index', async () => {
      assert.deepEqual(
        await data('Patient/example/', '{ name @flatten @slice(path: "use") { given family @singleton } }'),
        {
          'given.official': ['Peter', 'James'],
          'family.official': 'Chalmers',
          'given.usual': ['Jim'],
          'given.maiden': ['Peter', 'James'],
          'family.maiden': 'Windsor',
        },
      );
      assert.deepEqual(
        await data('Patient/example/', '{ name @flatten @slice(path: "$index") { given @first @singleton } }'),
        {
          'given.0': 'Peter',
          'given.1': 'Jim',
          'given.2': 'Peter',
        },
      );
    });
  });

  describe('searches', () => {
    it('give one resource by id, or a list by search parameters', async () => {
      assert.deepEqual(await data('', '{ Patient(id: example) { id active } }'), {
        Patient: { id: 'example', active: true },
      });
      assert.deepEqual(await data('', '{ PatientList(birthdate: "ge1980", _sort: "family") { name { family } } }'), {
        PatientList: [{ name: [{ family: 'Other' }] }],
      });
      const either = '{ ObservationList(_id: ["o1", "o3"], _sort: "_id") { id } }';
      assert.deepEqual(await data('', either), { ObservationList: [{ id: 'o1' }, { id: 'o3' }] });
      const hyphen = '{ ObservationList(value_quantity: "gt70.5||x", code: "29463-7") { id } }';
      assert.deepEqual(await data('', hyphen), { ObservationList: [{ id: 'o2' }] });
      const filtered = '{ PatientList(fhirpath: "name.count() > 1") { id } a: PatientList(_id: example) { id } }';
      assert.deepEqual(await data('', filtered), { PatientList: [{ id: 'example' }], a: [{ id: 'example' }] });
    });

    it('give connections, whose cursors lead through a snapshot, each match once', async () => {
      const fields = 'count offset pagesize first previous next edges { mode score resource { id } }';
      const seen: string[] = [];
      let { ObservationConnection: page } = await data(
        '',
        `{ ObservationConnection(patient: "example", _count: 2) { ${fields} } }`,
      );
      assert.deepEqual([page.count, page.offset, page.pagesize, page.edges[0].mode], [3, 0, 2, 'match']);
      for (;;) {
        seen.push(...page.edges.map(({ resource }: { resource: { id: string } }) => resource.id));
        if (page.next === undefined) break;
        ({ ObservationConnection: page } = await data(
          '',
          `{ ObservationConnection(_cursor: "${page.next}") { ${fields} } }`,
        ));
      }
      assert.deepEqual(seen.sort(), ['o1', 'o2', 'o3']);
      assert.equal(page.offset, 2);
      const forged = await ask('', '{ ObservationConnection(_cursor: "bm90aGluZw") { next } }');
      assert.deepEqual(refusal(forged), [400, 'invalid']);
      const elsewhere = await ask('', `{ PatientConnection(_cursor: "${page.first}") { next } }`);
      assert.deepEqual(refusal(elsewhere), [400, 'invalid']);
    });

    it('do not know what is hidden', async () => {
      assert.deepEqual(
        (await ask('', '{ PatientList { id } ObservationConnection { count edges { resource { id } } } }', stranger))
          .body.data,
        {
          PatientList: [],
          ObservationConnection: { count: 0, edges: [] },
        },
      );
      assert.deepEqual(refusal(await ask('', '{ Patient(id: example) { id } }', stranger)), [404, 'not-found']);
      assert.deepEqual(refusal(await ask('', '{ Patient(id: nobody) { id } }')), [404, 'not-found']);
      assert.deepEqual(refusal(await ask('Patient/example/', '{ id }', stranger)), [404, 'not-found']);
    });

    it('need scopes', async () => {
      const token = await server.tokenFor({ scope: 'system/Patient.rs' });
      assert.equal((await ask('', '{ PatientList { id } }', token)).status, 200);
      assert.deepEqual(refusal(await ask('', '{ ObservationList { id } }', token)), [403, 'forbidden']);
    });
  });

  describe('what is wrong or too much is told', () => {
    const wrong: readonly (readonly [string, string, string, number])[] = [
      ['a text that is no GraphQL', 'Patient/example/', '{ name { given }', 400],
      ['an unknown field', 'Patient/example/', '{ shoeSize }', 400],
      ['a complex field without fields', 'Patient/example/', '{ name }', 400],
      ['a scalar with fields', 'Patient/example/', '{ gender { code } }', 400],
      ['an unknown argument', 'Patient/example/', '{ name(colour: red) { given } }', 400],
      ['an unknown directive', 'Patient/example/', '{ gender @upper }', 400],
      ['an unknown fragment', 'Patient/example/', '{ ...nowhere }', 400],
      ['an unknown type', 'Patient/example/', '{ ... on Pony { id } }', 400],
      ['a variable without a value', 'Patient/example/', 'query($a: String!) { name(use: $a) { given } }', 400],
      ['a broken FHIRPath', 'Patient/example/', '{ name(fhirpath: "((") { given } }', 400],
      ['an unknown search parameter', '', '{ PatientList(shoe_size: 44) { id } }', 400],
      ['a resource at the root that is none', '', '{ PonyList { id } }', 400],
      ['a mutation by GET', '', 'mutation { PatientDelete(id: example) { information { id } } }', 405],
      ['a subscription', '', 'subscription { Patient(id: example) { id } }', 400],
      ['an empty query', '', ' ', 400],
    ];
    for (const [name, place, query, status] of wrong) {
      it(`${name} is ${status}`, async () => {
        assert.equal(refusal(await ask(place, query))[0], status);
      });
    }

    it('fragments that call themselves, and queries too deep or too wide, end in too-costly', async () => {
      const circle =
        '{ ...a } fragment a on Patient { ObservationList(_reference: patient) { subject { resource { ...a } } } }';
      assert.deepEqual(refusal(await ask('Patient/example/', circle)), [400, 'too-costly']);
      const many = Array.from({ length: 201 }, (_, index) => `a${index}: PatientList { id }`).join(' ');
      const wide = await server.post(
        '$graphql',
        { query: `{ ${many} }` },
        { headers: { 'Content-Type': 'application/json' } },
      );
      assert.deepEqual(refusal(wide), [400, 'too-costly']);
      const deep = { query: `{${'a{'.repeat(4_990)}${'}'.repeat(4_991)}` };
      assert.equal((await server.post('$graphql', deep, { headers: json })).status, 400);
      assert.equal((await ask('Patient/example/', '{ id }')).status, 200);
    });

    it('a reference that leads nowhere is an error unless it is optional', async () => {
      const query = (args: string) => `{ generalPractitioner { resource${args} { ... on Patient { id } } } }`;
      await put({ resourceType: 'Patient', id: 'lonely', generalPractitioner: [{ display: 'somebody' }] });
      assert.deepEqual(refusal(await ask('Patient/lonely/', query(''))), [404, 'not-found']);
      assert.deepEqual(await data('Patient/lonely/', query('(optional: true)')), { generalPractitioner: [{}] });
    });
  });

  describe('introspection', () => {
    const introspected = async (query: string) => {
      const { status, body, text } = await server.post('$graphql', { query }, { headers: json });
      assert.equal(status, 200, text.slice(0, 500));
      return body.data;
    };

    it('gives a schema that a client can build: types of R4, searches, mutations', async () => {
      const schema = buildClientSchema((await introspected(getIntrospectionQuery())) as IntrospectionQuery);
      const known = (query: string) => validate(schema, parse(query)).map(({ message }) => message);
      assert.deepEqual(validateSchema(schema), []);
      assert.deepEqual(
        known(`{ PatientList(family: "x", _count: 2) { resourceType id name(use: official) @flatten { given family }
          birthDate _birthDate { extension { url valueDateTime } } contact { relationship { text } }
          managingOrganization { resource(optional: true) { id ... on Organization { name } } } }
          ObservationConnection(code: "y") { count last edges { mode score resource { valueQuantity { value } } } } }`),
        [],
      );
      assert.deepEqual(known('mutation { PatientCreate(res: { active: true }) { location resource { id } } }'), []);
      assert.match(known('{ PatientList { shoeSize } }')[0], /Cannot query field "shoeSize"/);
    });

    it('tells of one type, with aliases and fragments; an unknown one is null', async () => {
      const query = `{ one: __type(name: "PatientContact") { ...t } none: __type(name: "Pony") { name } }
        fragment t on __Type { name kind fields { name type { name kind ofType { name } } } }`;
      const { one, none } = await introspected(query);
      assert.equal(none, null);
      assert.deepEqual([one.name, one.kind], ['PatientContact', 'OBJECT']);
      const gender = one.fields.find(({ name }: { name: string }) => name === 'gender');
      assert.deepEqual(gender.type, { name: 'code', kind: 'SCALAR', ofType: null });
    });
  });

  describe('mutations', () => {
    const mutate = (query: string, variables: object = {}, token?: string) =>
      server.post('$graphql', { query, variables }, { headers: json, ...(token === undefined ? {} : { token }) });

    it('create, update and delete, and tell what was asked', async () => {
      const created = await mutate(
        'mutation($p: PatientInput!) { PatientCreate(res: $p) { location resource { id active } information { issue { severity } } } }',
        { p: { resourceType: 'Patient', active: true, id: 'not-mine' } },
      );
      assert.equal(created.status, 200, created.text);
      const { location, resource, information } = created.body.data.PatientCreate;
      assert.equal(location, `${server.baseUrl}/Patient/${resource.id}/_history/1`);
      assert.deepEqual([resource.active, information.issue[0].severity], [true, 'information']);
      const exact = await mutate(`mutation { ObservationCreate(res: { status: "final", code: { text: "x" },
        valueQuantity: { value: 1.50 } }) { resource { valueQuantity { value } } } }`);
      assert.match(exact.text, /"value":1\.50\}/);
      const { id } = resource;
      const updated = await mutate(
        `mutation { PatientUpdate(id: "${id}", res: { active: false }) { resource { active meta { versionId } } } }`,
      );
      assert.deepEqual(updated.body.data.PatientUpdate, { resource: { active: false, meta: { versionId: '2' } } });
      const deleted = await mutate(`mutation { PatientDelete(id: "${id}") { information { issue { diagnostics } } } }`);
      assert.equal(deleted.status, 200, deleted.text);
      assert.equal((await server.get(`Patient/${id}`)).status, 410);
    });

    it('write all or nothing; what cannot be answered, and what is not allowed, writes nothing', async () => {
      const count = async () => (await server.get('Patient?_summary=count')).body.total as number;
      const before = await count();
      const good = 'a: PatientCreate(res: { active: true })';
      const bad = await mutate(
        `mutation { ${good} { resource { id } } b: PatientCreate(res: { gender: "x" }) { location } }`,
      );
      assert.deepEqual(refusal(bad), [422, 'code-invalid']);
      assert.deepEqual(refusal(await mutate(`mutation { ${good} { resource { shoeSize } } }`)), [400, 'invalid']);
      assert.deepEqual(refusal(await mutate(`mutation { ${good} { shoeSize } }`)), [400, 'invalid']);
      const reader = await server.tokenFor({ actor: 'Practitioner/reader', scope: 'user/*.rs' });
      assert.deepEqual(refusal(await mutate(`mutation { ${good} { location } }`, {}, reader)), [403, 'forbidden']);
      assert.equal(await count(), before);
      assert.equal((await mutate(`mutation { ${good} { location } }`)).status, 200);
      assert.equal(await count(), before + 1);
    });
  });

  it('works inside a batch, as a Binary', async () => {
    const entry = [{ request: { method: 'GET', url: 'Patient/example/$graphql?query={gender}' } }];
    const { body } = await server.post('', { resourceType: 'Bundle', type: 'batch', entry });
    const { contentType, data: base64 } = body.entry[0].resource;
    assert.match(contentType, /^application\/json/);
    assert.equal(Buffer.from(base64, 'base64').toString(), '{"data":{"gender":"male"}}');
  });
});
