import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { after, before, describe, it } from 'node:test';
import { fileURLToPath } from 'node:url';
import { TestServer } from '../e2e/server.js';

const mooring = fileURLToPath(new URL('../../src/cli/mooring.js', import.meta.url));
const corpus = fileURLToPath(new URL('../../../../shared/corpus/', import.meta.url));

describe('mooring import', () => {
  let server: TestServer;
  let files: string;

  before(async () => {
    server = await TestServer.start();
    files = path.join(server.folder, 'to-import');
    mkdirSync(files);
    const patient = (id: string, gender: string) => JSON.stringify({ resourceType: 'Patient', id, gender });
    const lines = Array.from({ length: 250 }, (_, index) =>
      patient(`line-${index}`, index === 120 ? 'unknwon' : 'female'),
    );
    writeFileSync(path.join(files, 'patients.ndjson'), `${lines.join('\n')}\n`);
    writeFileSync(path.join(files, 'single.json'), patient('single', 'male'));
    for (const name of ['00-hospitals.json', '01-practitioners.json']) {
      writeFileSync(path.join(files, name), readFileSync(path.join(corpus, 'synthea', name)));
    }
  });
  after(() => server.stop());

  function run(...args: string[]): Promise<{ status: number; stdout: string; stderr: string }> {
    const env = { ...process.env, DATA_DIR: server.folder };
    return new Promise((resolve) => {
      execFile(process.execPath, [mooring, ...args], { env }, (error, stdout, stderr) => {
        resolve({ status: typeof error?.code === 'number' ? error.code : 0, stdout, stderr });
      });
    });
  }

  it('takes a folder of bundles, NDJSON and single resources, and tells which were refused, and why', async () => {
    const { status, stdout, stderr } = await run('import', files, '--server', server.baseUrl);
    assert.equal(status, 1);
    assert.equal(stdout, '');
    assert.match(stderr, /1 refused, 4 of 4 files/);
    assert.match(stderr, /refused .*patients\.ndjson line 121: 422 .*gender.*unknwon/);
    for (const id of ['line-0', 'line-249', 'single'])
      assert.equal((await server.get(`Patient/${id}`)).status, 200, id);
    assert.equal((await server.get('Patient/line-120')).status, 404);
    const practitioners = await server.get('Practitioner?_summary=count');
    assert.ok(practitioners.body.total > 0);
  });

  it('sends nothing again that was acknowledged, unless it is told to', async () => {
    const again = await run('import', files, '--server', server.baseUrl);
    assert.deepEqual([again.status, /^0 resources taken/m.test(again.stderr)], [0, true], again.stderr);
    assert.equal((await server.get('Patient/single')).body.meta.versionId, '1');
    await run('import', path.join(files, 'single.json'), '--server', server.baseUrl, '--again');
    assert.equal((await server.get('Patient/single')).status, 200);
  });

  it('stops with status 2 when the server cannot be reached or refuses the token', async () => {
    const unreachable = await run('import', files, '--again', '--server', 'http://127.0.0.1:1/fhir');
    assert.equal(unreachable.status, 2);
    assert.match(unreachable.stderr, /cannot be reached/);
    const refused = await run('import', files, '--again', '--server', server.baseUrl, '--token', 'a.b.c');
    assert.equal(refused.status, 2);
    assert.match(refused.stderr, /refuses the token/);
  });
});

describe('mooring token', () => {
  it('prints a token and nothing else on standard output', async () => {
    const server = await TestServer.start();
    const token = await new Promise<string>((resolve, reject) => {
      const env = { ...process.env, DATA_DIR: server.folder };
      const args = [mooring, 'token', '--scope', 'system/*.cruds', '--actor', 'Practitioner/1'];
      execFile(process.execPath, args, { env }, (error, stdout) => (error === null ? resolve(stdout) : reject(error)));
    });
    assert.match(token, /^[\w-]+\.[\w-]+\.[\w-]+\n$/);
    assert.equal((await server.get('Patient', { token: token.trim() })).status, 200);
    await server.stop();
  });
});
