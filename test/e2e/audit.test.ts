import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { TestServer } from './server.js';

describe('AuditEvents of the access log', () => {
  let server: TestServer;
  let ada: string;
  let bea: string;
  /** Tokens. */
  let ofAda: string;
  let doctor: string;
  let auditor: string;
  let observation: string;
  let startedAt: string;

  before(async () => {
    server = await TestServer.start({ DEFAULT_CONSENT: 'deny' });
    const create = async (resource: { resourceType: string }) => {
      const { body, status, text } = await server.post(resource.resourceType, resource);
      assert.equal(status, 201, text);
      return `${resource.resourceType}/${body.id}`;
    };
    startedAt = new Date().toISOString();
    ada = await create({ resourceType: 'Patient', name: [{ family: 'Ada' }] } as never);
    bea = await create({ resourceType: 'Patient', name: [{ family: 'Bea' }] } as never);
    const code = { text: 'x' };
    observation = await create({
      resourceType: 'Observation',
      status: 'final',
      code,
      subject: { reference: ada },
    } as never);
    ofAda = await server.tokenFor({ actor: ada, patient: ada.slice(8), scope: 'patient/*.rs' });
    doctor = await server.tokenFor({ actor: 'Practitioner/dr', client: 'app-1' });
    auditor = await server.tokenFor({ actor: 'Practitioner/aud', scope: 'user/AuditEvent.rs', roles: ['auditor'] });
    assert.equal((await server.get(ada, { token: doctor })).status, 404);
    assert.equal((await server.get(`${bea}`, { token: doctor })).status, 404);
    assert.equal((await server.get(observation, { token: ofAda })).status, 200);
    await server.get('Patient?family=ada', { token: doctor });
  });
  after(() => server.stop());

  // eslint-disable-next-line @typescript-eslint/no-explicit-any
  const search = async (query: string, token?: string): Promise<any[]> => {
    const { body, status, text } = await server.get(`AuditEvent?_count=500&${query}`, { token });
    assert.equal(status, 200, text);
    return (body.entry ?? []).map(({ resource }: { resource: unknown }) => resource);
  };

  it('tell a patient who read what of her, and who was refused; of others nothing', async () => {
    const all = await search('', ofAda);
    assert.ok(all.length >= 4, String(all.length));
    assert.ok(!JSON.stringify(all).includes(bea));
    const [refused] = await search('outcome=4&agent=Practitioner/dr&subtype=read', ofAda);
    assert.equal(refused.type.code, 'rest');
    assert.equal(refused.action, 'R');
    assert.deepEqual(refused.entity[0].what, { reference: ada });
    assert.equal(refused.agent[0].who.identifier.value, 'app-1');
    const searched = await search('outcome=4&agent=Practitioner/dr&subtype=search-type', ofAda);
    assert.equal(searched.length, 1, 'a row that a search left out');
    const own = await search(`entity=${observation}&outcome=0&agent=${ada}`, ofAda);
    assert.deepEqual(
      own.map(({ subtype }) => subtype[0].code),
      ['read'],
    );
    assert.equal((await search(`patient=${bea}`, ofAda)).length, 0);
    const roles = (event: { agent: { type: { coding: { code: string }[] } }[] }) =>
      event.agent.map(({ type }) => type.coding[0]?.code);
    const [{ agent, meta }] = own;
    assert.deepEqual(roles(own[0]), ['110152', '110153', 'IRCP'], 'data goes from the server to the client');
    assert.deepEqual(agent[0].network, { address: '127.0.0.1', type: '2' });
    assert.deepEqual(meta.profile, [
      'https://profiles.ihe.net/ITI/BALP/StructureDefinition/IHE.BasicAudit.PatientRead',
    ]);
    const [created] = await search(`entity=${observation}&action=C`, ofAda);
    assert.deepEqual(roles(created), ['110153', '110152', 'AUT']);
    assert.equal(refused.meta.profile, undefined, 'a refusal keeps to no profile of successes');
  });

  it('are there for auditors as a whole, and for nobody else', async () => {
    assert.ok((await search(`patient=${bea}&outcome=4`, auditor)).length > 0);
    assert.equal((await server.get('AuditEvent', { token: doctor })).status, 403);
    const stranger = await server.tokenFor({ actor: 'Organization/other' });
    assert.equal((await search('', stranger)).length, 0);
    const [{ id }] = await search(`patient=${bea}&outcome=4`, auditor);
    assert.equal((await server.get(`AuditEvent/${id}`, { token: auditor })).status, 200);
    assert.equal((await server.get(`AuditEvent/${id}`, { token: ofAda })).status, 404);
    assert.equal((await server.get('AuditEvent/access-99999999', { token: auditor })).status, 404);
  });

  it('are found by date, action, type and id, paged without gaps, counted and sorted', async () => {
    const total = async (query: string) => (await server.get(`AuditEvent?${query}`, { token: auditor })).body.total;
    assert.equal(await total(`date=lt${startedAt}&_summary=count`), 0);
    assert.ok((await total(`date=ge${startedAt}&_summary=count`)) > 5);
    assert.ok((await search('action=C', auditor)).every(({ action }) => action === 'C'));
    const ids: string[] = [];
    let url: string | undefined = 'AuditEvent?_count=2&action=C,R&date=le2999-01-01T00:00:00Z';
    while (url !== undefined) {
      const { body } = await server.get(url, { token: auditor });
      for (const { resource } of body.entry ?? []) ids.push(resource.id);
      url = body.link.find(({ relation }: { relation: string }) => relation === 'next')?.url;
    }
    assert.equal(new Set(ids).size, ids.length);
    assert.ok(ids.length >= 7, String(ids.length));
    const [oldest] = await search('_sort=date', auditor);
    const [newest] = await search('_sort=-date', auditor);
    assert.ok(oldest.recorded < newest.recorded);
    assert.deepEqual(
      (await search(`_id=${newest.id}`, auditor)).map(({ id }) => id),
      [newest.id],
    );
  });

  it('are valid R4, stand beside those that clients store, and are written by nobody', async () => {
    const all = await search('', auditor);
    for (const resource of [...all.slice(0, 5), ...all.slice(-5)]) {
      const { body } = await server.post('AuditEvent/$validate', resource);
      const errors = body.issue.filter(({ severity }: { severity: string }) => severity === 'error');
      assert.deepEqual(errors, [], JSON.stringify(resource));
    }
    const [{ id, ...content }] = all;
    const who = { identifier: { value: 'somebody' } };
    const stored = await server.post('AuditEvent', {
      ...content,
      meta: undefined,
      action: 'D',
      agent: [{ who, requestor: true }],
      source: { observer: who },
      entity: undefined,
    });
    assert.equal(stored.status, 201, stored.text);
    const own = (await search('action=D')).map((found) => found.id);
    assert.ok(own.includes(stored.body.id));
    assert.ok([403, 405].includes((await server.put(`AuditEvent/${id}`, { id, ...content })).status));
    assert.ok([403, 405].includes((await server.delete(`AuditEvent/${id}`)).status));
  });
});
