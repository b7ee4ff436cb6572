import assert from 'node:assert/strict';
import { writeFile } from 'node:fs/promises';
import path from 'node:path';
import { afterEach, describe, it } from 'node:test';
import type { Catalog } from '../../src/commit/catalog.js';
import { fhirPackage } from '../fhir/packages/archive.js';
import { TestServer, type Answer } from './server.js';

const colour = (id: string, value: string) => ({
  resourceType: 'Patient',
  id,
  extension: [{ url: 'http://example.org/colour', valueString: value }],
  managingOrganization: { reference: 'Organization/o' },
});

const parameter = (id: string, type: string, expression: string, more: object = {}) => ({
  resourceType: 'SearchParameter',
  id,
  url: `http://example.org/SearchParameter/${id}`,
  name: id,
  status: 'active',
  description: id,
  code: id,
  base: ['Patient'],
  type,
  expression,
  ...more,
});

const byColour = parameter('colour', 'string', "Patient.extension.where(url = 'http://example.org/colour').value");
// What is chained through needs the index: a chain that works says that the job is done.
const byKeeper = parameter('keeper', 'reference', 'Patient.managingOrganization', { target: ['Organization'] });
const byDoctor = parameter(
  'doctor',
  'reference',
  "Patient.extension.where(url = 'http://example.org/doctor').value.ofType(Reference)",
  { target: ['Organization'] },
);

const pauseMs = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms));

/** Lets each step of the job wait, or fail. */
class Brake {
  delayMs = 0;
  failures = 0;
  readonly catalog = (real: Catalog): Catalog =>
    new Proxy(real, {
      get: (target, name) => {
        if (name === 'amend') return (amendment: never) => this.amend(target, amendment);
        const value = target[name as keyof Catalog] as unknown;
        return typeof value === 'function' ? (value.bind(target) as unknown) : value;
      },
    });

  private async amend(real: Catalog, amendment: Parameters<Catalog['amend']>[0]): Promise<void> {
    await pauseMs(this.delayMs);
    if (this.failures > 0) {
      this.failures -= 1;
      throw new Error('planted');
    }
    await real.amend(amendment);
  }
}

describe('what comes late is indexed by itself', () => {
  let server: TestServer | undefined;
  afterEach(async () => {
    await server?.stop();
    server = undefined;
  });

  const started = async (count: number, env: NodeJS.ProcessEnv = {}, brake = new Brake()) => {
    const one = (server = await TestServer.start(env, { catalog: brake.catalog }));
    const resources = [
      { resourceType: 'Organization', id: 'o', name: 'Oak' },
      ...Array.from({ length: count }, (_, at) => colour(`p${at}`, at % 100 === 7 ? 'Red' : 'Blue')),
    ];
    const entry = resources.map((resource) => ({
      resource,
      request: { method: 'PUT', url: `${resource.resourceType}/${resource.id}` },
    }));
    assert.equal((await one.post('', { resourceType: 'Bundle', type: 'transaction', entry })).status, 200);
    return one;
  };
  const put = async (one: TestServer, resource: { resourceType: string; id: string; [element: string]: unknown }) => {
    const answer = await one.put(`${resource.resourceType}/${resource.id}`, resource);
    assert.ok(answer.status < 300, answer.text);
  };
  const valueOf = ({ body }: Answer, name: string): unknown => {
    const found = (body.parameter as Record<string, unknown>[]).find((one) => one.name === name);
    return found === undefined ? undefined : Object.entries(found).find(([key]) => key.startsWith('value'))?.[1];
  };
  const total = async (one: TestServer, url: string) => {
    const answer = await one.get(`${url}&_summary=count`);
    assert.equal(answer.status, 200, answer.text);
    return answer.body.total as number;
  };
  /** Waits for a state of the job; `meanwhile` runs each time that it is not reached yet. */
  const until = async (
    one: TestServer,
    isReached: (answer: Answer) => boolean,
    meanwhile: () => Promise<unknown> = () => pauseMs(5),
  ): Promise<Answer> => {
    for (const end = Date.now() + 60_000; Date.now() < end; await meanwhile()) {
      const answer = await one.get('$reindex');
      if (answer.status !== 404 && isReached(answer)) return answer;
    }
    throw new Error(`not reached: ${(await one.get('$reindex')).text}`);
  };
  const isDone = (answer: Answer) =>
    valueOf(answer, 'status') === 'completed' && valueOf(answer, 'notIndexed') === undefined;
  const isInTheMiddle = (answer: Answer) =>
    valueOf(answer, 'status') === 'active' &&
    Number(valueOf(answer, 'done')) > 0 &&
    Number(valueOf(answer, 'done')) < Number(valueOf(answer, 'total'));

  it('an upload starts the job; every search meanwhile finds all; then chains and includes work', async () => {
    const brake = new Brake();
    brake.delayMs = 300;
    const one = await started(400, {}, brake);
    assert.equal((await one.get('$reindex')).status, 404);
    await put(one, byColour);
    await put(one, byDoctor);
    await put(one, {
      resourceType: 'Patient',
      id: 'led',
      extension: [{ url: 'http://example.org/doctor', valueReference: { reference: 'Organization/o' } }],
    });
    assert.equal((await one.get('Patient?doctor.name=oak')).status, 400);
    let asked = 0;
    const end = await until(one, isDone, async () => {
      asked += 1;
      assert.equal(await total(one, 'Patient?colour=red'), 4);
      assert.equal(await total(one, 'Patient?colour:missing=true'), 1);
    });
    assert.ok(asked > 2, 'searches were asked while the job ran');
    assert.ok(Number(valueOf(end, 'changed')) >= 400);
    assert.equal(await total(one, 'Patient?colour=red'), 4);
    assert.equal(await total(one, 'Patient?doctor.name=oak'), 1);
  });

  it('a job that a restart interrupts goes on where it was, and is right all along', async () => {
    const brake = new Brake();
    brake.delayMs = 150;
    const one = await started(900, {}, brake);
    await put(one, byColour);
    const before = await until(one, isInTheMiddle);
    await one.restart();
    assert.equal(await total(one, 'Patient?colour=red'), 9);
    const after = await one.get('$reindex');
    assert.equal(after.status, 202, after.text);
    assert.equal(valueOf(after, 'started'), valueOf(before, 'started'));
    assert.ok(Number(valueOf(after, 'done')) >= Number(valueOf(before, 'done')));
    const end = await until(one, isDone);
    assert.equal(valueOf(end, 'started'), valueOf(before, 'started'));
    assert.equal(await total(one, 'Patient?colour=red'), 9);
  });

  it('a parameter that was away while the job ran is not called indexed by it, not even after a restart', async () => {
    const brake = new Brake();
    brake.delayMs = 150;
    const one = await started(900, {}, brake);
    await put(one, byColour);
    await until(one, isInTheMiddle);
    assert.equal((await one.delete('SearchParameter/colour')).status, 204);
    await put(one, colour('unseen', 'Red'));
    await put(one, byColour);
    await one.restart();
    brake.delayMs = 0;
    await until(one, isDone);
    assert.equal(await total(one, 'Patient?colour=red'), 10);
  });

  it('a changed one is indexed anew, one that goes is unknown, and what shares entries with others is never late', async () => {
    const one = await started(200);
    await put(one, byColour);
    await until(one, isDone);
    await put(one, { ...byColour, expression: 'Patient.extension.url', type: 'uri' });
    assert.equal(await total(one, 'Patient?colour=http://example.org/colour'), 200);
    await until(one, isDone);
    assert.equal(await total(one, 'Patient?colour=http://example.org/colour'), 200);
    assert.equal((await one.delete('SearchParameter/colour')).status, 204);
    assert.equal((await one.get('Patient?colour=red')).status, 400);
    await put(one, byKeeper);
    assert.equal(await total(one, 'Patient?keeper.name=oak'), 200);
  });

  it('a job that failed is told, and goes on where it was when it is asked for', async () => {
    const brake = new Brake();
    const one = await started(700, { REINDEX: 'manual' }, brake);
    await put(one, byColour);
    brake.failures = 1;
    assert.equal((await one.post('$reindex', undefined)).status, 202);
    const failed = await until(one, (answer) => valueOf(answer, 'status') === 'failed');
    assert.equal(failed.status, 200);
    assert.equal(valueOf(failed, 'notIndexed'), byColour.url);
    assert.equal(await total(one, 'Patient?colour=red'), 7);
    assert.equal((await one.post('$reindex', undefined)).status, 202);
    const end = await until(one, isDone);
    assert.equal(valueOf(end, 'started'), valueOf(failed, 'started'));
    assert.equal(await total(one, 'Patient?colour=red'), 7);
  });

  it('REINDEX=manual leaves the start to the operator', async () => {
    const one = await started(5, { REINDEX: 'manual' });
    await put(one, byColour);
    await pauseMs(1_500);
    assert.equal((await one.get('$reindex')).status, 404);
    await one.restartWith({ REINDEX: 'auto' });
    await until(one, isDone);
  });

  it('a package that was added is indexed at the next start', async () => {
    const one = await started(50);
    const file = path.join(one.folder, 'colours.tgz');
    await writeFile(file, fhirPackage('example.colours', '1.0.0', [byColour]));
    await one.restartWith({ PACKAGES: file });
    assert.equal(await total(one, 'Patient?colour=blue'), 49);
    await until(one, isDone);
    assert.equal(await total(one, 'Patient?colour=blue'), 49);
  });
});
