/** Python's fhirpy, unmodified, against the server. It is installed into a virtual environment of its own in a cache folder. */
import assert from 'node:assert/strict';
import { execFile, spawnSync } from 'node:child_process';
import { existsSync, mkdirSync } from 'node:fs';
import { homedir } from 'node:os';
import path from 'node:path';
import { after, before, describe, it } from 'node:test';
import { promisify } from 'node:util';
import { TestServer } from '../e2e/server.js';

const wanted = 'fhirpy==2.0.15';
const script = path.resolve('test/engines/python/walk_fhirpy.py');

/** Path of the Python that has fhirpy. */
function installed(): string {
  const { MOORING_ENGINES_CACHE, XDG_CACHE_HOME } = process.env;
  const cache =
    MOORING_ENGINES_CACHE ?? path.join(XDG_CACHE_HOME ?? path.join(homedir(), '.cache'), 'mooring', 'engines');
  const folder = path.join(cache, wanted);
  const python = path.join(folder, 'bin', 'python');
  if (existsSync(path.join(folder, 'bin', '.ready'))) return python;
  mkdirSync(cache, { recursive: true });
  run('python3', ['-m', 'venv', '--clear', folder]);
  run(python, ['-m', 'pip', 'install', '--quiet', '--disable-pip-version-check', wanted]);
  mkdirSync(path.join(folder, 'bin', '.ready'));
  return python;
}

function run(command: string, args: readonly string[]): void {
  const { status, error, stderr } = spawnSync(command, args, { encoding: 'utf8' });
  assert.equal(
    status,
    0,
    `${command} ${args.join(' ')} failed (Python 3 with venv is needed): ${error?.message ?? stderr}`,
  );
}

describe('fhirpy', () => {
  let server: TestServer;
  before(async () => {
    server = await TestServer.start();
  });
  after(() => server.stop());

  it('walks create, search, pages, count, patch, update, includes, transaction and delete', async () => {
    const args = [script, server.baseUrl, await server.tokenFor({})];
    const { stdout } = await promisify(execFile)(installed(), args);
    assert.equal(stdout.trim(), 'ok');
  });
});
