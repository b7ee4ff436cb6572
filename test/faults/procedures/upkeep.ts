/** What is done to versions that are there, in the table of faults: anchoring, erasure, rotation of keys. */
import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { eventually, found, isDone, made, observation, patient, system, type Procedure } from './procedure.js';

export const anchoring: Procedure = {
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

export const erasure: Procedure = {
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

export function rotationOf(key: string): Procedure {
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
