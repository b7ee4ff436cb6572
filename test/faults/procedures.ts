/** The procedures of the table of faults: what each does over HTTP, and what has to hold whether or not it was acknowledged. */
import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import type { Answer, TestServer } from '../e2e/server.js';

export interface Run {
  /** Does it once. @returns the answer that the client got. */
  act(): Promise<Answer>;
  /**
   * Holds after any failure: all of it is there or nothing; all of it when it was acknowledged.
   * @param isAcknowledged a 2xx answer reached the client.
   */
  check(isAcknowledged: boolean): Promise<void>;
  /** Does it again, as a client that was refused would; afterwards everything is there. */
  again(): Promise<void>;
}

export interface Procedure {
  readonly name: string;
  /** The step that decides whether it was done. */
  readonly decisive: string;
  /** Makes what it starts from; before any fault. */
  prepare(server: TestServer): Promise<Run>;
}

const system = 'urn:mooring:faults';
const other = 'Organization/other';

const isDone = ({ status }: Answer) => status >= 200 && status < 300;

/** A refusal has to be one that a client understands as "try again". */
export function isTransient({ status }: Answer): boolean {
  return status === 503;
}

async function made(server: TestServer, resource: object): Promise<string> {
  const { resourceType } = resource as { resourceType: string };
  const answer = await server.post(resourceType, resource);
  assert.equal(answer.status, 201, answer.text);
  return `${resourceType}/${answer.body.id}`;
}

const patient = (value: string, family = 'Fault') => ({
  resourceType: 'Patient',
  identifier: [{ system, value }],
  name: [{ family }],
});

const observation = (reference: string, value: string) => ({
  resourceType: 'Observation',
  status: 'final',
  identifier: [{ system, value }],
  code: { text: 'fault' },
  subject: { reference },
});

/** How many resources of a type carry the identifier; every one of them can be read. */
async function found(server: TestServer, type: string, value: string): Promise<number> {
  const answer = await server.get(`${type}?identifier=${system}|${value}&_total=accurate`);
  assert.equal(answer.status, 200, answer.text);
  const { total, entry = [] } = answer.body as { total: number; entry?: { resource: { id: string } }[] };
  assert.equal(entry.length, total);
  for (const { resource } of entry) assert.equal((await server.get(`${type}/${resource.id}`)).status, 200);
  return total;
}

/** Until it holds, or 20 s have passed: for what loops beside the requests bring about. */
export async function eventually(what: string, holds: () => Promise<boolean>): Promise<void> {
  for (const endsAt = performance.now() + 20_000; !(await holds());) {
    assert.ok(performance.now() < endsAt, what);
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}

const create: Procedure = {
  name: 'create',
  decisive: 'catalog.append 1',
  async prepare(server) {
    const value = randomUUID();
    return {
      act: () => server.post('Patient', patient(value)),
      async check(isAcknowledged) {
        const count = await found(server, 'Patient', value);
        assert.ok(isAcknowledged ? count === 1 : count <= 1, `${count} are there`);
      },
      async again() {
        const headers = { 'If-None-Exist': `identifier=${system}|${value}` };
        assert.ok(isDone(await server.post('Patient', patient(value), { headers })));
        assert.equal(await found(server, 'Patient', value), 1);
      },
    };
  },
};

const transaction: Procedure = {
  name: 'transaction',
  decisive: 'catalog.append 1',
  async prepare(server) {
    const value = randomUUID();
    const fullUrl = `urn:uuid:${randomUUID()}`;
    const ifNoneExist = `identifier=${system}|${value}`;
    const post = (resource: { resourceType: string }) => ({
      resource,
      request: { method: 'POST', url: resource.resourceType, ifNoneExist },
    });
    const entry = [{ fullUrl, ...post(patient(value)) }, post(observation(fullUrl, value))];
    const send = () => server.post('', { resourceType: 'Bundle', type: 'transaction', entry });
    const count = async () => [await found(server, 'Patient', value), await found(server, 'Observation', value)];
    return {
      act: send,
      async check(isAcknowledged) {
        const counts = await count();
        assert.ok(isAcknowledged || counts[0] === 1 ? counts.join() === '1,1' : counts.join() === '0,0', counts.join());
      },
      async again() {
        assert.ok(isDone(await send()));
        assert.deepEqual(await count(), [1, 1]);
      },
    };
  },
};

const update: Procedure = {
  name: 'update',
  decisive: 'catalog.append 1',
  async prepare(server) {
    const value = randomUUID();
    const place = await made(server, patient(value, 'Before'));
    const put = (version: number) =>
      server.put(
        place,
        { ...patient(value, 'After'), id: place.split('/')[1] },
        { headers: { 'If-Match': `W/"${version}"` } },
      );
    const stateNow = async () => {
      const { body } = await server.get(place);
      const state = `${body.meta.versionId} ${body.name[0].family}`;
      const named = await server.get(`Patient?identifier=${system}|${value}&family=${body.name[0].family}`);
      assert.equal(named.body.entry?.length, 1, 'the index says what the resource says');
      return state;
    };
    return {
      act: () => put(1),
      async check(isAcknowledged) {
        const state = await stateNow();
        assert.ok(state === '2 After' || (!isAcknowledged && state === '1 Before'), state);
      },
      async again() {
        if ((await stateNow()) === '1 Before') assert.ok(isDone(await put(1)));
        else assert.equal((await put(1)).status, 412, 'a client learns that it was done');
        assert.equal(await stateNow(), '2 After');
      },
    };
  },
};

const remove: Procedure = {
  name: 'delete',
  decisive: 'catalog.append 1',
  async prepare(server) {
    const value = randomUUID();
    const place = await made(server, patient(value));
    return {
      act: () => server.delete(place),
      async check(isAcknowledged) {
        const { status } = await server.get(place);
        assert.ok(status === 410 || (!isAcknowledged && status === 200), String(status));
        assert.equal(await found(server, 'Patient', value), status === 410 ? 0 : 1);
        assert.equal((await server.get(`${place}/_history/1`)).status, 200);
      },
      async again() {
        assert.ok(isDone(await server.delete(place)));
        assert.equal((await server.get(place)).status, 410);
      },
    };
  },
};

const coded = (codeSystem: string, code: string) => ({ coding: [{ system: codeSystem, code }] });

const consentFor = (reference: string, status: string) => ({
  resourceType: 'Consent',
  status,
  scope: coded('http://terminology.hl7.org/CodeSystem/consentscope', 'patient-privacy'),
  category: [coded('http://loinc.org', '59284-0')],
  patient: { reference },
  dateTime: '2026-01-01T00:00:00Z',
  policyRule: coded('http://terminology.hl7.org/CodeSystem/v3-ActCode', 'OPTOUT'),
  provision: {
    type: 'permit',
    actor: [
      {
        role: coded('http://terminology.hl7.org/CodeSystem/v3-ParticipationType', 'IRCP'),
        reference: { reference: other },
      },
    ],
  },
});

/** What another organisation's practitioner gets. */
const seenBy = async (server: TestServer, place: string) =>
  (await server.get(place, { token: await server.tokenFor({ actor: 'Practitioner/dr', memberships: [other] }) }))
    .status;

const filing: Procedure = {
  name: 'consent filing',
  decisive: 'catalog.append 1',
  async prepare(server) {
    const place = await made(server, patient(randomUUID()));
    const isFiled = async () => (await server.get(`Consent?patient=${place}`)).body.total > 0;
    const follows = () =>
      eventually('the chain does not say what the stored Consents say', async () => {
        return (await seenBy(server, place)) === ((await isFiled()) ? 200 : 404);
      });
    const file = () => server.post('Consent', consentFor(place, 'active'));
    return {
      act: file,
      async check(isAcknowledged) {
        if (isAcknowledged) assert.ok(await isFiled());
        await follows();
      },
      async again() {
        if (!(await isFiled())) assert.ok(isDone(await file()));
        await follows();
        assert.equal(await seenBy(server, place), 200);
      },
    };
  },
};

const revocation: Procedure = {
  name: 'revocation',
  decisive: 'catalog.append 1',
  async prepare(server) {
    const place = await made(server, patient(randomUUID()));
    const consent = await made(server, consentFor(place, 'active'));
    await eventually('the Consent takes effect', async () => (await seenBy(server, place)) === 200);
    const revoke = () => server.put(consent, { ...consentFor(place, 'inactive'), id: consent.split('/')[1] });
    const isRevoked = async () => (await server.get(consent)).body.status === 'inactive';
    return {
      act: revoke,
      async check(isAcknowledged) {
        if (isAcknowledged || (await isRevoked())) assert.equal(await seenBy(server, place), 404, 'it denies at once');
        else assert.equal(await seenBy(server, place), 200);
      },
      async again() {
        assert.ok(isDone(await revoke()));
        assert.equal(await seenBy(server, place), 404);
      },
    };
  },
};

const anchoring: Procedure = {
  name: 'anchoring',
  decisive: 'chain.send 1',
  async prepare(server) {
    const place = await made(server, patient(randomUUID()));
    const id = place.split('/')[1];
    const isAnchored = async () => (await server.get(`${place}/$proof`)).status === 200;
    await eventually('the first version is anchored', isAnchored);
    const put = () => server.put(place, { ...patient(randomUUID()), id }, { headers: { Prefer: 'wait=1' } });
    return {
      act: put,
      check: () => eventually('its proof is given', isAnchored),
      async again() {
        assert.ok(isDone(await put()));
        await eventually('its proof is given', isAnchored);
      },
    };
  },
};

const erasure: Procedure = {
  name: 'erasure',
  decisive: 'catalog.append 1',
  async prepare(server) {
    const value = randomUUID();
    const place = await made(server, patient(value));
    const measured = await made(server, observation(place, value));
    const neighbour = await made(server, patient(value.replaceAll('-', '')));
    const places = [place, measured, `${place}/_history/1`, `Patient?identifier=${system}|${value}`];
    const shown = async () => {
      const shows = [];
      for (const url of places) {
        const { status, body } = await server.get(url);
        assert.ok(status === 200 || status === 404, `${url}: ${status}`);
        shows.push(status === 200 && (body.resourceType !== 'Bundle' || body.total > 0));
      }
      assert.equal(new Set(shows).size, 1, `half of the patient is visible: ${shows.join()}`);
      return shows[0];
    };
    const erase = () => server.post(`${place}/$erase`, undefined);
    return {
      act: erase,
      async check(isAcknowledged) {
        assert.ok(!(await shown()) || !isAcknowledged);
        assert.equal((await server.get(neighbour)).status, 200);
      },
      async again() {
        assert.ok([200, 404].includes((await erase()).status));
        assert.equal(await shown(), false);
        await eventually('proofs of others hold', async () => (await server.get(`${neighbour}/$proof`)).status === 200);
      },
    };
  },
};

function rotationOf(key: string): Procedure {
  return {
    name: `rotation of ${key}`,
    decisive: 'catalog.amend(rotation) 2',
    async prepare(server) {
      const value = randomUUID();
      await made(server, observation(await made(server, patient(value)), value));
      const stateNow = async () => {
        const { body } = await server.get('$rotate-keys');
        const parts = body.parameter as { name: string; valueString?: string }[];
        return Object.fromEntries(parts.map(({ name, valueString }) => [name, valueString]));
      };
      const ended = () =>
        eventually('the rotation ends, or says what ended it', async () => {
          const { state, failure } = await stateNow();
          return failure !== undefined || state === 'none';
        });
      const reads = async () => {
        assert.equal(await found(server, 'Patient', value), 1);
        assert.equal(await found(server, 'Observation', value), 1);
        const chained = await server.get(`Observation?subject:Patient.identifier=${system}|${value}`);
        assert.equal(chained.body.entry?.length, 1, 'links are there');
      };
      const start = () => server.post(`$rotate-keys?key=${key}`, undefined);
      return {
        async act() {
          const answer = await start();
          if (isDone(answer)) await ended();
          return answer;
        },
        check: reads,
        async again() {
          const answer = await start();
          assert.ok(isDone(answer) || answer.status === 409, answer.text);
          await eventually('the rotation comes to its end', async () => {
            const { state, failure } = await stateNow();
            assert.equal(failure, undefined);
            return state === 'none';
          });
          await reads();
        },
      };
    },
  };
}

/** Each, by the name that the issue and docs/faults.md give it. */
export const procedures: readonly Procedure[] = [
  create,
  transaction,
  update,
  remove,
  filing,
  revocation,
  anchoring,
  erasure,
  rotationOf('master'),
  rotationOf('compartments'),
  rotationOf('index'),
];

/** Where a Consent of the table permits: stored once. */
export async function prepareWorld(server: TestServer): Promise<void> {
  await server.put(other, { resourceType: 'Organization', id: 'other', name: 'Other' });
}
