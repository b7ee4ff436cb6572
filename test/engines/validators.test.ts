/** Four validator processes beside a server that is loaded. VALIDATED_RESOURCES=20000 on a quiet machine. */
import { after, before, describe, it } from 'node:test';
import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { freePort } from './support/engine-process.js';
import { ValidatorProcess } from './support/validator-process.js';
import { TestServer } from '../e2e/server.js';

const resources = Number(process.env.VALIDATED_RESOURCES ?? 600);
const bundleSize = 100;
/** How far attestation may be behind the load. */
const mostBehindMs = 10_000;

const observation = (n: number) => ({
  resource: {
    resourceType: 'Observation',
    status: 'final',
    code: { coding: [{ system: 'http://loinc.org', code: '8302-2' }], text: 'height' },
    valueQuantity: { value: 100 + (n % 100), unit: 'cm', system: 'http://unitsofmeasure.org', code: 'cm' },
    note: [{ text: `measured as number ${n}` }],
  },
  request: { method: 'POST', url: 'Observation' },
});

describe(`four validator processes and a load of ${resources} resources`, () => {
  const folder = mkdtempSync(path.join(tmpdir(), 'mooring-validators-'));
  const validators: ValidatorProcess[] = [];
  let server: TestServer;

  before(async () => {
    const port = await freePort();
    const file = path.join(folder, 'validators.json');
    for (let index = 0; index < 4; index += 1)
      validators.push(
        new ValidatorProcess(path.join(folder, String(index)), await freePort(), `http://127.0.0.1:${port}`),
      );
    writeFileSync(file, JSON.stringify(await Promise.all(validators.map((validator) => validator.describe()))));
    server = await TestServer.start({ VALIDATORS: file, PORT: String(port) });
    await Promise.all(validators.map((validator) => validator.start()));
  });
  after(async () => {
    await Promise.all(validators.map((validator) => validator.kill()));
    await server.stop();
    rmSync(folder, { recursive: true });
  });

  /** Loads `count` resources, telling `onBundle` of the last one of each bundle; @returns the id of the last one. */
  async function load(count: number, onBundle: (id: string) => void = () => undefined): Promise<string> {
    let last = '';
    for (let from = 0; from < count; from += bundleSize) {
      const entry = Array.from({ length: Math.min(bundleSize, count - from) }, (_, n) => observation(from + n));
      const { status, body, text } = await server.post('', { resourceType: 'Bundle', type: 'transaction', entry });
      assert.equal(status, 200, text);
      last = /Observation\/([^/]+)/.exec(body.entry.at(-1).response.location as string)?.[1] ?? '';
      onBundle(last);
    }
    return last;
  }

  const isProven = async (id: string) => (await server.get(`Observation/${id}/$proof`)).status === 200;

  /** Milliseconds until the proof of a resource is there; undefined when it is not within `withinMs`. */
  async function untilProven(id: string, withinMs: number): Promise<number | undefined> {
    const start = performance.now();
    while (performance.now() - start < withinMs) {
      if (await isProven(id)) return performance.now() - start;
      await sleep(100);
    }
    return undefined;
  }

  /** Loads, and at the same time looks for the proof of each bundle in turn; @returns the longest time that one was without, milliseconds. */
  async function mostBehind(count: number): Promise<number> {
    const waiting: { id: string; since: number }[] = [];
    let isLoading = true;
    let most = 0;
    const watch = async () => {
      for (let oldest = waiting[0]; isLoading || oldest !== undefined; oldest = waiting[0]) {
        if (oldest !== undefined && (await isProven(oldest.id))) {
          most = Math.max(most, performance.now() - oldest.since);
          waiting.shift();
          continue;
        }
        if (oldest !== undefined && performance.now() - oldest.since > 120_000)
          assert.fail(`Observation/${oldest.id} is never attested`);
        await sleep(50);
      }
    };
    const watching = watch();
    await load(count, (id) => waiting.push({ id, since: performance.now() }));
    isLoading = false;
    await watching;
    return most;
  }

  const refused = () => server.logLines.filter((line) => line.includes('"event":"refused"'));

  it('attest everything, and are never more than 10 s behind', async (t) => {
    const start = performance.now();
    const mostMs = await mostBehind(resources);
    const seconds = (performance.now() - start) / 1000;
    assert.deepEqual(refused(), []);
    t.diagnostic(
      `${resources} resources loaded and attested in ${seconds.toFixed(1)} s, at most ${(mostMs / 1000).toFixed(1)} s behind`,
    );
    assert.ok(mostMs < mostBehindMs, `${mostMs} ms behind`);
  });

  it('do so with any one of them killed and started again while resources are loaded', async (t) => {
    let isDone = false;
    const loading = mostBehind(resources).finally(() => (isDone = true));
    let kills = 0;
    for (let round = 0; round < 4 || !isDone; round += 1) {
      const validator = validators[round % 4];
      await sleep(150 + 100 * (round % 5));
      await validator.kill();
      kills += 1;
      await sleep(200);
      await validator.start();
    }
    const mostMs = await loading;
    t.diagnostic(`${kills} times one was killed, at most ${(mostMs / 1000).toFixed(1)} s behind`);
    assert.deepEqual(refused(), []);
  });

  it('stop when two are killed, and go on without loss when one is back', async () => {
    await Promise.all([validators[0].kill(), validators[1].kill()]);
    const stopped = await load(bundleSize);
    assert.equal(await untilProven(stopped, 3_000), undefined);
    const later = await load(bundleSize);
    await validators[1].start();
    assert.ok((await untilProven(stopped, 60_000)) !== undefined);
    assert.ok((await untilProven(later, 60_000)) !== undefined);
    assert.deepEqual(refused(), []);
  });
});
