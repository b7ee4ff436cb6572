/**
 * An element that consent hides does not exist: neither as a match, nor as a failure to match, nor in an order.
 *
 * A patient's records are stored with labels at elements, and beside them the same records of a twin, as their reader saw them. Whatever the reader
 * asks of both must be answered alike; the patient, who sees everything, gets another answer wherever an ask could tell.
 */
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import path from 'node:path';
import { after, before, describe, it } from 'node:test';
import { fileURLToPath } from 'node:url';
import { TestServer, type Answer } from './server.js';

interface Place {
  readonly place: string;
  readonly tells: readonly string[];
  readonly allowed: readonly string[];
}
interface Resource {
  readonly resourceType: string;
  readonly id: string;
}

const cases = path.resolve(path.dirname(fileURLToPath(import.meta.url)), '../../../test/cases/redaction');
const read = (file: string): unknown => JSON.parse(readFileSync(path.join(cases, file), 'utf8'));
const { places, conditions } = read('asks.json') as {
  readonly places: readonly Place[];
  readonly conditions: readonly { readonly criteria: string; readonly matches: boolean }[];
};
const { resources } = read('world.json') as { readonly resources: readonly Resource[] };

const actCode = 'http://terminology.hl7.org/CodeSystem/v3-ActCode';
const inlineLabel = 'http://hl7.org/fhir/uv/security-label-ds4p/StructureDefinition/extension-inline-sec-label';

/** `LABEL` written out as the extension of DS4P. */
function labelled(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(labelled);
  if (typeof value !== 'object' || value === null) return value;
  const { LABEL: code, ...rest } = value as Record<string, unknown>;
  const fields = Object.fromEntries(Object.entries(rest).map(([name, field]) => [name, labelled(field)]));
  if (code === undefined) return fields;
  return { extension: [{ url: inlineLabel, valueCoding: { system: actCode, code } }], ...fields };
}

const inWorld = <T>(world: string, value: T): T => JSON.parse(JSON.stringify(value).replaceAll('w-', `${world}-`)) as T;

const consent = {
  resourceType: 'Consent',
  id: 'w-consent',
  status: 'active',
  scope: { coding: [{ system: 'http://terminology.hl7.org/CodeSystem/consentscope', code: 'patient-privacy' }] },
  category: [{ coding: [{ system: 'http://loinc.org', code: '59284-0' }] }],
  patient: { reference: 'Patient/w-p' },
  policyRule: { coding: [{ system: actCode, code: 'OPTIN' }] },
  provision: { type: 'permit', provision: [{ type: 'deny', securityLabel: [{ system: actCode, code: 'HIV' }] }] },
};

const another = (n: number) => ({
  resourceType: 'Patient',
  id: `w-another-${n}`,
  identifier: [{ system: 'urn:w-group', value: `another ${n}` }],
  name: [{ family: 'Secret' }],
});

const graph = (id: string, link: object) => ({
  resourceType: 'GraphDefinition',
  id,
  name: 'Graph',
  status: 'active',
  start: 'Observation',
  link: [link],
});
const graphs = [
  graph('members', { path: 'Observation.hasMember', target: [{ type: 'Observation' }] }),
  graph('same-performer', {
    target: [
      {
        type: 'Observation',
        params: 'has-member={ref}',
        compartment: [{ use: 'requirement', code: 'Practitioner', rule: 'matching' }],
      },
    ],
  }),
];

/** Two worlds' answers are compared without what no two resources share: ids, times, cursors. */
function seen({ status, text }: Answer): string {
  const plain = text
    .replaceAll(/(real|twin)-/g, 'w-')
    .replaceAll(/_cursor=[A-Za-z0-9_-]+/g, '_cursor=*')
    .replaceAll(/\d{4}-\d{2}-\d{2}T[0-9:.]+Z/g, 'TIME')
    .replaceAll(/urn:uuid:[0-9a-f-]{36}/g, '*')
    .replaceAll(/request id [A-Za-z0-9-]+/g, '*');
  return `${status} ${plain}`;
}

/** `a=b&c=d` is written in the cases as people read it. */
function encoded(ask: string): string {
  const [at, query] = [ask.indexOf('?'), ask.slice(ask.indexOf('?') + 1)];
  if (at === -1) return ask;
  const pairs = ask.startsWith('$graphql') ? [query] : query.split('&');
  const params = pairs.map((pair) => {
    const equals = pair.indexOf('=');
    return `${pair.slice(0, equals)}=${encodeURIComponent(pair.slice(equals + 1))}`;
  });
  return `${ask.slice(0, at)}?${params.join('&')}`;
}

describe('hidden elements', () => {
  let server: TestServer;
  let reader: string;
  let whole: string;

  const ask = async (world: string, url: string, token: string) => server.get(encoded(inWorld(world, url)), { token });

  before(async () => {
    server = await TestServer.start({ REFERENTIAL_INTEGRITY: 'off' });
    reader = await server.tokenFor({ actor: 'Practitioner/dr', roles: ['practitioner', 'system'] });
    whole = await server.tokenFor({ actor: 'Patient/real-p', roles: ['practitioner', 'system'] });
    const put = async (resource: Resource) => {
      const { status, text } = await server.put(`${resource.resourceType}/${resource.id}`, resource);
      assert.equal(status, 201, text);
    };
    for (const one of graphs) await put(one);
    for (const world of ['real', 'twin']) {
      // Beside enough others, the index is asked which of the candidates match for certain.
      for (let n = 1; n <= 8; n += 1) await put(inWorld(world, another(n)));
    }
    for (const resource of resources) await put(inWorld('real', labelled(resource) as Resource));
    await put(inWorld('real', consent));
    for (const { resourceType, id } of resources) {
      const { status, body, text } = await server.get(inWorld('real', `${resourceType}/${id}`), { token: reader });
      if (id === 'w-o4') assert.equal(status, 404, 'hidden as a whole: the twin has none');
      else {
        assert.equal(status, 200, text);
        await put(JSON.parse(JSON.stringify(body).replaceAll('real-', 'twin-')) as Resource);
      }
    }
    await put(inWorld('twin', consent));
  });
  after(() => server.stop());

  for (const { place, tells, allowed } of places) {
    it(`are nowhere in ${place}`, async () => {
      const wrong: unknown[] = [];
      for (const url of [...tells, ...allowed]) {
        const [real, twin] = [seen(await ask('real', url, reader)), seen(await ask('twin', url, reader))];
        if (!real.startsWith('200 ') || real !== twin) wrong.push({ url, real, twin });
        const all = seen(await ask('real', url, whole));
        if (tells.includes(url) && all === twin) wrong.push({ url, all, asks: 'for nothing that is hidden' });
      }
      assert.deepEqual(wrong, []);
    });
  }

  it('are nowhere in the criteria of conditional writes', async () => {
    const wrong: unknown[] = [];
    for (const { criteria, matches } of conditions) {
      for (const world of ['real', 'twin']) {
        for (const [kind, found, attempt] of conditional(inWorld(world, criteria))) {
          const answer = await attempt(server, reader);
          if (found(answer) !== matches)
            wrong.push({ kind, world, criteria, status: answer.status, text: answer.text });
        }
      }
    }
    assert.deepEqual(wrong, []);
  });

  it('make nobody a candidate of $match, and bring nothing within a granular scope', async () => {
    const wanted = (facts: object) => ({
      resourceType: 'Parameters',
      parameter: [{ name: 'resource', resource: { resourceType: 'Patient', ...facts } }],
    });
    const candidates = async (world: string, facts: object, token: string) => {
      const { status, body } = await server.post('Patient/$match', inWorld(world, wanted(facts)), { token });
      assert.equal(status, 200);
      return (body.entry ?? []).filter((one: { resource: Resource }) => one.resource.id === `${world}-p`)
        .length as number;
    };
    const name = [{ family: 'Open-babaxx' }];
    const scoped = (world: string, filter: string, actor = 'Practitioner/dr') =>
      server.tokenFor({ actor, roles: ['system'], scope: `system/Patient.rs?${inWorld(world, filter)}` });
    for (const [facts, filter, hides] of [
      [{ name, identifier: [{ system: 'urn:id', value: 'w-secret' }] }, 'identifier=urn:id|w-secret', true],
      [{ name, birthDate: '1980-05-06' }, 'gender=male', true],
      [{ name, identifier: [{ system: 'urn:id', value: 'w-open' }] }, 'identifier=urn:id|w-open', false],
    ] as const) {
      const found = [await candidates('real', facts, reader), await candidates('twin', facts, reader)];
      assert.deepEqual(found, hides ? [0, 0] : [1, 1], filter);
      assert.equal(await candidates('real', facts, whole), 1, `${filter}: who sees everything`);
      const status = async (world: string, actor?: string) =>
        (await server.get(`Patient/${world}-p`, { token: await scoped(world, filter, actor) })).status;
      assert.deepEqual([await status('real'), await status('twin')], hides ? [404, 404] : [200, 200], filter);
      assert.equal(await status('real', 'Patient/real-p'), 200, `${filter}: who sees everything`);
    }
  });

  it('do not hold up the deletion of what they refer to; what is seen to refer does', async () => {
    await server.restartWith({ REFERENTIAL_INTEGRITY: 'on' });
    reader = await server.tokenFor({ actor: 'Practitioner/dr', roles: ['practitioner', 'system'] });
    const target = (id: string) => ({ resourceType: 'Device', id, status: 'active' });
    for (const id of ['seen', 'unseen']) assert.equal((await server.put(`Device/${id}`, target(id))).status, 201);
    const subject = { reference: 'Patient/real-p' };
    const code = { text: 'x' };
    const referring = (id: string, LABEL?: string) =>
      labelled({
        resourceType: 'Observation',
        status: 'final',
        code,
        subject,
        device: { ...(LABEL ? { LABEL } : {}), reference: `Device/${id}` },
      });
    assert.equal((await server.post('Observation', referring('seen'))).status, 201);
    assert.equal((await server.post('Observation', referring('unseen', 'HIV'))).status, 201);
    assert.equal((await server.delete('Device/seen', { token: reader })).status, 409);
    assert.equal((await server.delete('Device/unseen', { token: reader })).status, 204);
  });
});

type Attempt = (server: TestServer, token: string) => Promise<Answer>;

/** Every kind of conditional write, made so that it changes nothing where it matches; and how one tells from its answer whether it did. */
function conditional(criteria: string): [kind: string, isFound: (answer: Answer) => boolean, attempt: Attempt][] {
  const [type] = criteria.split('?');
  const url = encoded(criteria);
  const condition = url.slice(url.indexOf('?') + 1);
  const never = { 'If-Match': 'W/"999"' };
  const patch = [{ op: 'test', path: '/id', value: 'x' }];
  const jsonPatch = { ...never, 'Content-Type': 'application/json-patch+json' };
  const reference = { resourceType: 'List', status: 'current', mode: 'working', entry: [{ item: { reference: url } }] };
  return [
    [
      'create',
      ({ status }) => status === 200,
      (server, token) => server.post(type, bodies[type], { token, headers: { 'If-None-Exist': condition } }),
    ],
    [
      'update',
      ({ status }) => status === 400,
      (server, token) => server.put(url, { ...bodies[type], id: 'not-this' }, { token }),
    ],
    [
      'patch',
      ({ status }) => status === 412,
      (server, token) => server.send('PATCH', url, { token, body: patch, headers: jsonPatch }),
    ],
    [
      'delete',
      ({ text }) => text.includes('the present version'),
      (server, token) => server.delete(url, { token, headers: never }),
    ],
    [
      'reference',
      ({ status }) => status === 200,
      (server, token) =>
        server.post(
          '',
          {
            resourceType: 'Bundle',
            type: 'transaction',
            entry: [{ resource: reference, request: { method: 'POST', url: 'List' } }],
          },
          { token },
        ),
    ],
  ];
}

const code = { text: 'written on a condition' };
const bodies: Record<string, object> = {
  Patient: { resourceType: 'Patient' },
  Condition: { resourceType: 'Condition', code, subject: { display: 'nobody' } },
  Observation: { resourceType: 'Observation', status: 'final', code },
};
