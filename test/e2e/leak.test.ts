/**
 * A hidden resource changes nothing that an observer can see: one row for each interaction and operation of the CapabilityStatement.
 *
 * Each row's requests are sent twice, before and after a hidden patient with a record comes to be; the answers must be the same to the letter.
 * An endpoint that has no row fails the test.
 */
import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { refusalGridMs } from '../../src/fhir/refusals.js';
import { TestServer, type Answer } from './server.js';

interface Ask {
  readonly method: string;
  readonly url: string;
  readonly body?: unknown;
  readonly headers?: Record<string, string>;
}

const get = (url: string, headers?: Record<string, string>): Ask => ({
  method: 'GET',
  url,
  ...(headers ? { headers } : {}),
});
const post = (url: string, body?: unknown): Ask => ({ method: 'POST', url, body });
const patient = { resourceType: 'Patient', id: 'hidden', name: [{ family: 'Hidden' }] };
const jsonPatch = { 'Content-Type': 'application/json-patch+json' };
const parameters = (...parameter: object[]) => ({ resourceType: 'Parameters', parameter });
const bundle = (type: string, ...entry: object[]) => ({ resourceType: 'Bundle', type, entry });
const meta = parameters({ name: 'meta', valueMeta: { tag: [{ code: 'x' }] } });

/** The hidden patient and her record, in every way in which an instance is asked for. */
const onBoth = (suffix: string): Ask[] => [get(`Patient/hidden${suffix}`), get(`Observation/hidden-o${suffix}`)];
const operation = (name: string, query = ''): Ask[] => onBoth(`/$${name}${query}`);
/** An operation that asks about no stored record: it is called all the same. */
const apart = (...asks: Ask[]) => asks;

const interactions: Record<string, readonly Ask[]> = {
  read: [
    ...onBoth(''),
    get('Patient/hidden', { 'If-None-Match': 'W/"1"' }),
    get('Patient/hidden', { 'If-Modified-Since': new Date(Date.now() + 86_400_000).toUTCString() }),
    { method: 'HEAD', url: 'Patient/hidden' },
    get('Patient/hidden?_summary=true'),
  ],
  vread: onBoth('/_history/1'),
  'history-instance': onBoth('/_history'),
  'history-type': [get('Patient/_history'), get('Observation/_history?_count=1')],
  'history-system': [get('_history?_count=50')],
  update: [
    { method: 'PUT', url: 'Patient/hidden', body: patient },
    { method: 'PUT', url: 'Patient/hidden', body: patient, headers: { 'If-Match': 'W/"1"' } },
  ],
  patch: [
    {
      method: 'PATCH',
      url: 'Patient/hidden',
      body: [{ op: 'test', path: '/active', value: true }],
      headers: jsonPatch,
    },
    {
      method: 'PATCH',
      url: 'Patient?family=hidden',
      body: [{ op: 'add', path: '/active', value: true }],
      headers: jsonPatch,
    },
  ],
  delete: [
    { method: 'DELETE', url: 'Patient/hidden' },
    { method: 'DELETE', url: 'Patient?family=hidden' },
    { method: 'DELETE', url: 'Patient/hidden', headers: { 'If-Match': 'W/"1"' } },
  ],
  create: [
    post('Observation', {
      resourceType: 'Observation',
      status: 'final',
      code: { text: 'x' },
      hasMember: [{ reference: 'Observation/hidden-o' }],
    }),
  ],
  'search-type': [
    'Patient',
    'Patient?_summary=count',
    'Patient?_total=accurate&_count=1',
    'Patient?family=hidden',
    'Patient?_id=hidden',
    'Patient?family:contains=idde',
    'Patient?family:missing=false',
    'Patient?family:not-in=x&_total=none',
    'Patient?_sort=family',
    'Patient?_sort=-_lastUpdated&_count=1',
    'Patient?_has:Observation:patient:code=hidden-code',
    'Patient?_revinclude=Observation:subject',
    'Patient?_content=Hidden',
    'Patient?_filter=family eq "Hidden"',
    'Observation?code=hidden-code',
    'Observation?subject:Patient.family=hidden',
    'Observation?_include=Observation:subject',
    'Observation?patient=hidden',
    'Patient/hidden/Observation',
    'Patient/hidden/*',
    'List?item=Observation/hidden-o',
    'Patient?_list=hidden-list',
    'AuditEvent?patient=hidden',
  ].map((url) => get(url)),
  'search-system': [get('?_type=Patient,Observation'), get('?_id=hidden'), get('?_type=Patient&_summary=count')],
  batch: [
    post(
      '',
      bundle(
        'batch',
        { request: { method: 'GET', url: 'Patient/hidden' } },
        { request: { method: 'GET', url: 'Patient?family=hidden' } },
        { request: { method: 'DELETE', url: 'Patient/hidden' } },
      ),
    ),
  ],
  transaction: [
    post('', bundle('transaction', { request: { method: 'GET', url: 'Patient/hidden' } })),
    post('', bundle('transaction', { request: { method: 'GET', url: 'Observation?patient=hidden' } })),
    post(
      '',
      bundle('transaction', {
        resource: {
          resourceType: 'Flag',
          status: 'active',
          code: { text: 'x' },
          subject: { reference: 'Patient?family=hidden' },
        },
        request: { method: 'POST', url: 'Flag' },
      }),
    ),
  ],
};

const everywhere = { ValueSet: 'http://hl7.org/fhir/ValueSet/administrative-gender' };

const operations: Record<string, readonly Ask[]> = {
  everything: operation('everything'),
  meta: operation('meta'),
  'meta-add': [post('Patient/hidden/$meta-add', meta)],
  'meta-delete': [post('Patient/hidden/$meta-delete', meta)],
  proof: [...operation('proof'), ...onBoth('/_history/1/$proof')],
  disclose: operation('disclose', '?element=Patient.id'),
  sdjwt: operation('sdjwt'),
  possession: apart(),
  document: [get('Composition/hidden-c/$document'), post('Composition/hidden-c/$document')],
  graph: operation('graph', '?graph=GraphDefinition/x'),
  graphql: [
    get(`$graphql?query=${encodeURIComponent('{Patient(id:"hidden"){id}}')}`),
    get(`$graphql?query=${encodeURIComponent('{PatientList(family:"hidden"){id}}')}`),
    get(`Patient/hidden/$graphql?query=${encodeURIComponent('{id}')}`),
  ],
  lastn: [
    get('Observation/$lastn?patient=hidden&category=vital-signs'),
    get('Observation/$lastn?max=3&patient=hidden'),
  ],
  match: [post('Patient/$match', parameters({ name: 'resource', resource: patient }))],
  convert: apart(post('$convert', { resourceType: 'Patient' })),
  validate: [
    post('Patient/hidden/$validate', patient),
    get('Patient/hidden/$validate'),
    post('Patient/$validate', patient),
  ],
  erase: [post('Patient/hidden/$erase')],
  expunge: [post('Patient/hidden/$expunge')],
  export: [get('Patient/hidden/$export'), get('Group/hidden/$export')],
  'explain-access': operation('explain-access'),
  'consent-simulate': [post('Patient/hidden/$consent-simulate', { resourceType: 'Consent', status: 'active' })],
  revoke: [post('Consent/hidden-consent/$revoke')],
  status: [get('Consent/hidden-consent/$status')],
  permissions: [get('Patient/hidden/$permissions')],
  sign: [post('Consent/hidden-consent/$sign')],
  'consent-account': [get('Patient/hidden/$consent-account')],
  'consent-key': [post(`Patient/hidden/$consent-key?key=0x${'1'.repeat(40)}`)],
  delegate: [post('Patient/hidden/$delegate?actor=RelatedPerson/r&end=true')],
  guardians: [post('Patient/hidden/$guardians?end=true')],
  recover: [post('Patient/hidden/$recover?step=finish')],
  'break-glass': [post('Patient/hidden/$break-glass?reason=x')],
  'contest-emergency': [post('Patient/hidden/$contest-emergency?emergency=1&reason=x')],
  'launch-context': [post('$launch-context', parameters({ name: 'patient', valueString: 'hidden' }))],
  expand: apart(get(`ValueSet/$expand?url=${everywhere.ValueSet}&count=1`)),
  lookup: apart(get('CodeSystem/$lookup?system=http://hl7.org/fhir/administrative-gender&code=male')),
  'validate-code': apart(
    get(
      `ValueSet/$validate-code?url=${everywhere.ValueSet}&code=male&system=http://hl7.org/fhir/administrative-gender`,
    ),
  ),
  'publish-members': [post('Group/hidden-g/$publish-members')],
  shared: [get('Patient/hidden/$shared'), get('$shared?patient=hidden')],
  subsumes: apart(),
  translate: apart(get('ConceptMap/$translate?code=hidden-code&system=urn:x')),
  reindex: apart(),
  'rotate-keys': apart(),
};

/** What an answer shows; what changes from request to request whoever is there is blotted out. */
function seen({ status, text, headers }: Answer): unknown {
  return {
    status,
    text: text
      .replaceAll(/_cursor=[A-Za-z0-9_-]+/g, '_cursor=*')
      .replaceAll(/"(id|requestId)":"[0-9a-f-]{36}"/g, '"$1":"*"')
      .replaceAll(/under request id [A-Za-z0-9-]+/g, 'under request id *')
      .replaceAll(/[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}/g, '*')
      .replaceAll(/\d{4}-\d{2}-\d{2}T[0-9:.]+Z/g, 'TIME'),
    etag: headers.get('etag'),
    modified: headers.get('last-modified') !== null,
    location: headers.get('location')?.replaceAll(/[0-9a-f-]{36}/g, '*') ?? null,
    type: headers.get('content-type'),
  };
}

describe('what an observer sees', () => {
  let server: TestServer;
  let token: string;
  const before1 = new Map<string, unknown[]>();
  const rows = [
    ...Object.entries(interactions).map(([name, asks]) => [name, asks] as const),
    ...Object.entries(operations).map(([name, asks]) => [`$${name}`, asks] as const),
  ];

  const answers = async (asks: readonly Ask[]) => {
    const all: unknown[] = [];
    for (const { method, url, body, headers } of asks) {
      all.push({
        ask: `${method} ${url}`,
        ...(seen(await server.send(method, url, { body, headers, token })) as object),
      });
    }
    return all;
  };

  before(async () => {
    server = await TestServer.start({ DEFAULT_CONSENT: 'deny', UPDATE_CREATE: 'off' });
    const admin = async (entry: object[]) => {
      const { status, text } = await server.post('', bundle('batch', ...entry));
      assert.equal(status, 200, text);
      return text;
    };
    token = await server.tokenFor({ actor: 'Practitioner/dr', roles: ['practitioner', 'system'] });
    for (const [name, asks] of rows) before1.set(name, await answers(asks));
    await server.restartWith({ UPDATE_CREATE: 'on' });
    const put = (resource: { resourceType: string; id: string }) => ({
      resource,
      request: { method: 'PUT', url: `${resource.resourceType}/${resource.id}` },
    });
    const code = { coding: [{ system: 'urn:x', code: 'hidden-code' }] };
    const subject = { reference: 'Patient/hidden' };
    const added = await admin([
      put(patient),
      put({ resourceType: 'Observation', id: 'hidden-o', status: 'final', code, subject } as never),
      put({
        resourceType: 'List',
        id: 'hidden-list',
        status: 'current',
        mode: 'working',
        subject,
        entry: [{ item: { reference: 'Observation/hidden-o' } }],
      } as never),
      put({
        resourceType: 'Composition',
        id: 'hidden-c',
        status: 'final',
        type: code,
        subject,
        date: '2026-01-01',
        author: [{ display: 'x' }],
        title: 'x',
      } as never),
      put({
        resourceType: 'Consent',
        id: 'hidden-consent',
        status: 'active',
        scope: { coding: [{ system: 'http://terminology.hl7.org/CodeSystem/consentscope', code: 'patient-privacy' }] },
        category: [{ coding: [{ system: 'http://loinc.org', code: '59284-0' }] }],
        patient: subject,
        policyRule: { coding: [{ system: 'http://terminology.hl7.org/CodeSystem/v3-ActCode', code: 'OPTOUT' }] },
        provision: { type: 'deny' },
      } as never),
    ]);
    assert.equal(added.match(/201 Created/g)?.length, 5, added);
    await server.restartWith({ UPDATE_CREATE: 'off' });
    token = await server.tokenFor({ actor: 'Practitioner/dr', roles: ['practitioner', 'system'] });
  });
  after(() => server.stop());

  it('has a row for everything that the CapabilityStatement offers', async () => {
    const { body } = await server.get('metadata');
    const [rest] = body.rest;
    const offered = new Set<string>();
    for (const { code } of rest.interaction) offered.add(code);
    for (const { name } of rest.operation ?? []) offered.add(`$${name}`);
    for (const { interaction, operation: own } of rest.resource) {
      for (const { code } of interaction ?? []) offered.add(code);
      for (const { name } of own ?? []) offered.add(`$${name}`);
    }
    const known = new Set(rows.map(([name]) => name));
    assert.deepEqual(
      [...offered].filter((name) => !known.has(name)),
      [],
      'endpoints without a row',
    );
  });

  it('an answer to a hidden id takes as long as that to an unknown one, up to a step of the grid', async () => {
    const median = (all: number[]) => all.sort((a, b) => a - b)[all.length >> 1] ?? 0;
    for (const suffix of ['', '/_history/1', '/_history', '/$everything', '/$meta']) {
      let differs = Infinity;
      // Noise passes, a difference stays.
      for (let attempt = 0; attempt < 4 && differs >= refusalGridMs; attempt += 1) {
        const taken: [number[], number[]] = [[], []];
        for (let turn = 0; turn < 20; turn += 1) {
          for (const [which, id] of ['hidden', 'nobody'].entries()) {
            const began = performance.now();
            const { status } = await server.get(`Patient/${id}${suffix}`, { token });
            assert.equal(status, 404);
            taken[which]?.push(performance.now() - began);
          }
        }
        differs = Math.abs(median(taken[0]) - median(taken[1]));
      }
      assert.ok(differs < refusalGridMs, `Patient/hidden${suffix}: ${differs} ms apart`);
    }
  });

  for (const [name, asks] of rows) {
    if (asks.length === 0) continue;
    it(`${name}: nothing changes with a hidden resource`, async () => {
      const port = /127\.0\.0\.1:\d+/g;
      const plain = (all: unknown) => JSON.parse(JSON.stringify(all).replaceAll(port, 'HOST')) as unknown;
      assert.deepEqual(plain(await answers(asks)), plain(before1.get(name)));
    });
  }
});
