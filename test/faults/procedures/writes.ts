/** Writes of resources in the table of faults. */
import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { found, isDone, made, observation, patient, system, type Procedure } from './procedure.js';

export const create: Procedure = {
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

export const transaction: Procedure = {
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

export const update: Procedure = {
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

export const remove: Procedure = {
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
