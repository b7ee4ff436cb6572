import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { firstIssue, TestServer, type Answer } from './server.js';

const idsOf = ({ body }: Answer) =>
  ((body.entry ?? []) as { resource: { id: string } }[]).map(({ resource }) => resource.id).sort();

const parameter = (id: string, base: string, type: string, expression: string, more: object = {}) => ({
  resourceType: 'SearchParameter',
  id,
  url: `http://example.org/SearchParameter/${id}`,
  name: `Parameter_${id}`,
  status: 'active',
  description: id,
  code: id,
  base: [base],
  type,
  expression,
  ...more,
});

describe('SearchParameters that come late', () => {
  let server: TestServer;

  const put = async (resource: { resourceType: string; id: string }, status = 201) => {
    const answer = await server.put(`${resource.resourceType}/${resource.id}`, resource);
    assert.equal(answer.status, status, answer.text);
  };
  const find = async (url: string) => {
    const answer = await server.get(url);
    assert.equal(answer.status, 200, answer.text);
    return idsOf(answer);
  };
  const valueOf = ({ body }: Answer, name: string) => {
    const found = (body.parameter as { name: string; [value: string]: unknown }[]).find((one) => one.name === name);
    return found === undefined ? undefined : Object.entries(found).find(([key]) => key.startsWith('value'))?.[1];
  };
  const reindex = async () => {
    const started = await server.post('$reindex', undefined);
    assert.equal(started.status, 202, started.text);
    let state = await server.get(started.headers.get('content-location') ?? '');
    while (state.status === 202) {
      assert.match(state.headers.get('x-progress') ?? '', /^\d+% \(\d+ of \d+ versions\)$/);
      state = await server.get('$reindex');
    }
    assert.equal(valueOf(state, 'status'), 'completed', state.text);
    return state;
  };

  before(async () => {
    server = await TestServer.start({ REINDEX: 'manual' });
    for (const [id, colour, doctor] of [
      ['red', 'Red', 'anna'],
      ['blue', 'Blue', 'bert'],
    ]) {
      await put({ resourceType: 'Practitioner', id: doctor, name: [{ family: doctor }] } as never);
      await put({
        resourceType: 'Patient',
        id,
        extension: [
          { url: 'http://example.org/colour', valueString: colour },
          { url: 'http://example.org/weight', valueDecimal: id === 'red' ? 10 : 20 },
          { url: 'http://example.org/doctor', valueReference: { reference: `Practitioner/${doctor}` } },
        ],
      } as never);
    }
    // A version that is no longer the present one.
    await put({
      resourceType: 'Patient',
      id: 'was-red',
      extension: [{ url: 'http://example.org/colour', valueString: 'Red' }],
    } as never);
    await put({ resourceType: 'Patient', id: 'was-red', active: true } as never, 200);
  });
  after(() => server.stop());

  const extension = (name: string) => `Patient.extension.where(url = 'http://example.org/${name}').value`;

  it('find old resources at once, by opening them, and refuse what needs the index', async () => {
    await put(parameter('colour', 'Patient', 'string', `${extension('colour')}.ofType(string)`));
    await put(parameter('weight', 'Patient', 'number', `${extension('weight')}.ofType(decimal)`));
    await put(
      parameter('doctor', 'Patient', 'reference', `${extension('doctor')}.ofType(Reference)`, {
        target: ['Practitioner'],
      }),
    );
    assert.deepEqual(await find('Patient?colour=red'), ['red']);
    assert.deepEqual(await find('Patient?weight=gt15'), ['blue']);
    assert.deepEqual(await find('Patient?doctor=Practitioner/anna'), ['red']);
    assert.deepEqual(await find('Patient?colour:missing=true'), ['was-red']);
    for (const url of [
      'Patient?doctor.family=anna',
      'Practitioner?_has:Patient:doctor:_id=red',
      'Patient?_include=Patient:doctor',
    ]) {
      const refused = await server.get(url);
      assert.equal(refused.status, 400, url);
      assert.match(firstIssue(refused).diagnostics ?? '', /before \$reindex/);
    }
  });

  it('$reindex makes them findable by the index, tells its progress, and then chains and includes work', async () => {
    assert.equal((await server.get('$reindex')).status, 404);
    const state = await reindex();
    assert.equal(valueOf(state, 'percent'), 100);
    assert.equal(valueOf(state, 'done'), valueOf(state, 'total'));
    assert.ok(Number(valueOf(state, 'changed')) >= 4);
    assert.equal(valueOf(state, 'notIndexed'), undefined);
    assert.deepEqual(await find('Patient?colour=red'), ['red']);
    assert.deepEqual(await find('Patient?colour:missing=true'), ['was-red']);
    assert.deepEqual(await find('Patient?weight=lt15'), ['red']);
    assert.deepEqual(await find('Patient?doctor.family=anna'), ['red']);
    assert.deepEqual(await find('Practitioner?_has:Patient:doctor:_id=red'), ['anna']);
    assert.deepEqual(await find('Patient?_id=red&_include=Patient:doctor'), ['anna', 'red']);
    const sorted = await server.get('Patient?_sort=-weight');
    assert.deepEqual(
      sorted.body.entry.map((one: { resource: { id: string } }) => one.resource.id),
      ['blue', 'red', 'was-red'],
    );
  });

  it('what is written afterwards is found as well, and a restart forgets nothing', async () => {
    await put({
      resourceType: 'Patient',
      id: 'green',
      extension: [{ url: 'http://example.org/colour', valueString: 'Green' }],
    } as never);
    await server.restart();
    assert.deepEqual(await find('Patient?colour=green'), ['green']);
    assert.deepEqual(await find('Patient?colour=red'), ['red']);
    assert.deepEqual(await find('Patient?doctor.family=bert'), ['blue']);
  });

  it('a parameter that was changed or gone for a while is late again', async () => {
    await put(parameter('colour', 'Patient', 'string', extension('colour')), 200);
    assert.deepEqual(await find('Patient?colour=blue'), ['blue']);
    assert.equal((await server.delete('SearchParameter/colour')).status, 204);
    assert.equal((await server.get('Patient?colour=blue')).status, 400);
    await put({
      resourceType: 'Patient',
      id: 'unseen',
      extension: [{ url: 'http://example.org/colour', valueString: 'Blue' }],
    } as never);
    await put(parameter('colour', 'Patient', 'string', `${extension('colour')}.ofType(string)`));
    assert.deepEqual(await find('Patient?colour=blue'), ['blue', 'unseen']);
    await reindex();
    assert.deepEqual(await find('Patient?colour=blue'), ['blue', 'unseen']);
  });

  it('writes while the job runs are found when it ends', async () => {
    await put(parameter('shade', 'Patient', 'token', `${extension('shade')}.ofType(code)`));
    const dark = (id: string) => ({
      resourceType: 'Patient',
      id,
      extension: [{ url: 'http://example.org/shade', valueCode: 'dark' }],
    });
    const [first, ...others] = ['d1', 'd2', 'd3', 'd4', 'd5'];
    await put(dark(first));
    await Promise.all([reindex(), ...others.map((id) => put(dark(id)))]);
    assert.deepEqual(await find('Patient?shade=dark'), [first, ...others]);
  });

  it('a parameter that cannot be searched by is refused before it is stored, with its place', async () => {
    const refused = await server.put(
      'SearchParameter/odd',
      parameter('odd', 'Patient', 'string', 'Patient.name.where('),
    );
    assert.equal(refused.status, 422);
    assert.equal(firstIssue(refused).expression, 'SearchParameter.expression');
    for (const expression of ['Patient.shoe', 'Observation.code']) {
      const unknown = await server.put('SearchParameter/odd', parameter('odd', 'Patient', 'string', expression));
      assert.equal(unknown.status, 422, unknown.text);
      assert.match(unknown.text, /SearchParameter odd: /);
    }
    const typeless = await server.put('SearchParameter/odd', parameter('odd', 'Patience', 'string', 'Patient.name'));
    assert.equal(typeless.status, 422);
    const empty = { ...parameter('odd', 'Patient', 'string', ''), expression: undefined };
    assert.equal((await server.put('SearchParameter/odd', empty)).status, 422);
    assert.equal((await server.get('SearchParameter/odd')).status, 404);
  });

  it('only who may change SearchParameters starts the job', async () => {
    const token = await server.tokenFor({ scope: 'system/*.rs' });
    assert.equal((await server.post('$reindex', undefined, { token })).status, 403);
    assert.equal((await server.get('$reindex', { token })).status, 200);
  });
});

describe('$expunge', () => {
  let server: TestServer;
  before(async () => {
    server = await TestServer.start();
  });
  after(() => server.stop());

  const body = (...names: string[]) => ({
    resourceType: 'Parameters',
    parameter: names.map((name) => ({ name, valueBoolean: true })),
  });
  const written = async (id: string, versions: number) => {
    for (let version = 1; version <= versions; version += 1) {
      await server.put(`Patient/${id}`, { resourceType: 'Patient', id, name: [{ family: `V${version}` }] });
    }
  };
  const versionsOf = async (id: string) =>
    ((await server.get(`Patient/${id}/_history`)).body.entry ?? []).length as number;

  it('destroys previous versions, and leaves the present one', async () => {
    await written('many', 3);
    const { status, body: answer } = await server.post('Patient/many/$expunge', body('expungePreviousVersions'));
    assert.deepEqual([status, answer.parameter], [200, [{ name: 'count', valueInteger: 2 }]]);
    assert.equal((await server.get('Patient/many')).body.name[0].family, 'V3');
    assert.equal((await server.get('Patient/many/_history/1')).status, 404);
    assert.equal(await versionsOf('many'), 1);
  });

  it('destroys deleted resources whole; the id is free again', async () => {
    await written('gone', 2);
    const early = await server.post('Patient/gone/$expunge', body('expungeDeletedResources'));
    assert.equal(early.body.parameter[0].valueInteger, 0);
    await server.delete('Patient/gone');
    assert.equal((await server.get('Patient/gone')).status, 410);
    const { body: answer } = await server.post('Patient/gone/$expunge', body('expungeDeletedResources'));
    assert.equal(answer.parameter[0].valueInteger, 3);
    assert.equal((await server.get('Patient/gone')).status, 404);
    await written('gone', 1);
    assert.equal((await server.get('Patient/gone')).headers.get('etag'), 'W/"1"');
  });

  it('never deletes the history of a Consent, whatever is asked; beside it everything else goes', async () => {
    await written('owner', 2);
    const consent = {
      resourceType: 'Consent',
      id: 'kept',
      status: 'active',
      scope: { coding: [{ system: 'http://terminology.hl7.org/CodeSystem/consentscope', code: 'patient-privacy' }] },
      category: [{ coding: [{ system: 'http://loinc.org', code: '59284-0' }] }],
      patient: { reference: 'Patient/owner' },
      policyRule: { coding: [{ system: 'http://terminology.hl7.org/CodeSystem/v3-ActCode', code: 'OPTIN' }] },
    };
    assert.equal((await server.put('Consent/kept', consent)).status, 201);
    assert.equal((await server.put('Consent/kept', { ...consent, status: 'inactive' })).status, 200);
    for (const url of ['Consent/kept/$expunge', 'Consent/kept/_history/1/$expunge', 'Consent/$expunge']) {
      const refused = await server.post(url, body('expungePreviousVersions', 'expungeDeletedResources'));
      assert.deepEqual([refused.status, firstIssue(refused).code], [422, 'business-rule'], url);
    }
    const all = await server.post('$expunge', body('expungePreviousVersions', 'expungeDeletedResources'));
    assert.equal(all.body.parameter[0].valueInteger, 1, 'of the patient alone');
    assert.equal((await server.get('Consent/kept/_history/1')).body.status, 'active');
  });

  it('works on one version, on a type and on all, up to a limit', async () => {
    await written('one', 3);
    assert.equal((await server.post('Patient/one/_history/3/$expunge', body())).status, 409);
    assert.equal((await server.post('Patient/one/_history/2/$expunge', body())).body.parameter[0].valueInteger, 1);
    assert.equal((await server.get('Patient/one/_history/2')).status, 404);
    assert.equal((await server.get('Patient/one/_history/1')).status, 200);
    await written('two', 3);
    const limited = {
      ...body('expungePreviousVersions'),
      parameter: [...body('expungePreviousVersions').parameter, { name: 'limit', valueInteger: 1 }],
    };
    assert.equal((await server.post('Patient/$expunge', limited)).body.parameter[0].valueInteger, 1);
    assert.equal((await server.post('$expunge', body('expungePreviousVersions'))).body.parameter[0].valueInteger, 2);
    assert.deepEqual([await versionsOf('one'), await versionsOf('two')], [1, 1]);
  });

  it('is for the operator alone, and has to be told what to destroy', async () => {
    await written('mine', 2);
    for (const claims of [{ actor: 'Practitioner/other' }, { scope: 'system/*.crus' }]) {
      const token = await server.tokenFor(claims);
      assert.equal(
        (await server.post('Patient/mine/$expunge', body('expungePreviousVersions'), { token })).status,
        403,
      );
    }
    assert.equal((await server.post('Patient/mine/$expunge', body())).status, 400);
    assert.equal((await server.post('$expunge', body('expungeEverything'))).status, 400);
    assert.equal((await server.post('Patient/none/$expunge', body('expungePreviousVersions'))).status, 404);
    assert.equal((await server.get('Patient/mine/$expunge')).status, 405);
    assert.equal(await versionsOf('mine'), 2);
  });
});
