import { after, before, describe, it } from 'node:test';
import assert from 'node:assert/strict';
import { spawn, type ChildProcess } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { freePort } from './support/engine-process.js';
import { TestServer } from '../e2e/server.js';

/** VALIDATED_RESOURCES=20000 on a quiet machine. */
const resources = Number(process.env.VALIDATED_RESOURCES ?? 600);
const bundleSize = 100;
const mooring = fileURLToPath(new URL('../../src/cli/mooring.js', import.meta.url));

/** `mooring validator` in a process of its own. */
class ValidatorProcess {
  #child: ChildProcess | undefined;

  constructor(
    private readonly folder: string,
    private readonly port: number,
    private readonly server: string,
  ) {}

  #arguments(): string[] {
    return [mooring, 'validator', '--dir', this.folder, '--port', String(this.port)];
  }

  async describe(): Promise<object> {
    const child = spawn(process.execPath, [...this.#arguments(), '--describe'], {
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    let text = '';
    for await (const chunk of child.stdout) text += String(chunk);
    return JSON.parse(text) as object;
  }

  /** Resolves when it listens. */
  async start(): Promise<void> {
    const env = { ...process.env, LOG_LEVEL: 'error' };
    const child = spawn(process.execPath, [...this.#arguments(), '--server', this.server], {
      env,
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    this.#child = child;
    await new Promise<void>((resolve, reject) => {
      child.stdout.once('data', () => resolve());
      child.once('exit', (code) => reject(new Error(`the validator ended with ${code}`)));
    });
  }

  async kill(): Promise<void> {
    const child = this.#child;
    this.#child = undefined;
    if (child === undefined || child.exitCode !== null) return;
    const ended = new Promise((resolve) => child.once('exit', resolve));
    child.kill('SIGKILL');
    await ended;
  }
}

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

  /** Loads `count` resources; @returns the id of the last one. */
  async function load(count: number): Promise<string> {
    let last = '';
    for (let from = 0; from < count; from += bundleSize) {
      const entry = Array.from({ length: Math.min(bundleSize, count - from) }, (_, n) => observation(from + n));
      const { status, body, text } = await server.post('', { resourceType: 'Bundle', type: 'transaction', entry });
      assert.equal(status, 200, text);
      last = /Observation\/([^/]+)/.exec(body.entry.at(-1).response.location as string)?.[1] ?? '';
    }
    return last;
  }

  /** Milliseconds until the proof of a resource is there; undefined when it is not within `withinMs`. */
  async function untilProven(id: string, withinMs: number): Promise<number | undefined> {
    const start = performance.now();
    while (performance.now() - start < withinMs) {
      if ((await server.get(`Observation/${id}/$proof`)).status === 200) return performance.now() - start;
      await new Promise((resolve) => setTimeout(resolve, 100));
    }
    return undefined;
  }

  const refused = () => server.logLines.filter((line) => line.includes('"event":"refused"'));

  it('attest everything, and are never far behind', async (t) => {
    const start = performance.now();
    const last = await load(resources);
    const loadedMs = performance.now() - start;
    const behindMs = await untilProven(last, 120_000);
    assert.ok(behindMs !== undefined, 'the last resource is never attested');
    assert.deepEqual(refused(), []);
    t.diagnostic(
      `${resources} resources loaded in ${(loadedMs / 1000).toFixed(1)} s, attested ${(behindMs / 1000).toFixed(1)} s later`,
    );
  });

  it('do so with any one of them killed', async () => {
    for (const validator of validators) {
      await validator.kill();
      assert.ok((await untilProven(await load(bundleSize), 60_000)) !== undefined);
      await validator.start();
    }
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
