/**
 * The whole HTTP end-to-end suite on real engines: log and index on a MongoDB wire server, blocks in Kubo. E2E_FILTER: files whose path contains it.
 * CORPUS_PATIENTS: how many of Synthea's patients are loaded (default 1: FerretDB looks at every document for every search).
 */
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { readdirSync } from 'node:fs';
import path from 'node:path';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { startWireServer } from './support/ferretdb.js';
import { startKubo } from './support/kubo.js';

const folder = fileURLToPath(new URL('../e2e', import.meta.url));

function testFiles(): string[] {
  return readdirSync(folder, { recursive: true, encoding: 'utf8' })
    .filter((file) => file.endsWith('.test.js') && file.includes(process.env.E2E_FILTER ?? ''))
    .map((file) => path.join(folder, file))
    .sort();
}

test('every end-to-end test holds on MongoDB and Kubo as on the embedded stores', { timeout: 1_200_000 }, async (t) => {
  const [mongo, kubo] = await Promise.all([startWireServer(), startKubo()]);
  t.after(() => Promise.all([mongo.stop(), kubo.stop()]));
  const options = ['--enable-source-maps', '--test', '--test-concurrency=2', '--test-reporter=spec'];
  const env: NodeJS.ProcessEnv = {
    CORPUS_PATIENTS: '1',
    ...process.env,
    E2E_MONGODB_URL: mongo.url,
    E2E_KUBO_URLS: kubo.url,
  };
  // Without it, node --test takes itself for a child of this run, and tells it instead of us.
  delete env.NODE_TEST_CONTEXT;
  const run = spawn(process.execPath, [...options, ...testFiles()], { env, stdio: ['ignore', 'pipe', 'inherit'] });
  let output = '';
  run.stdout.on('data', (chunk: Buffer) => (output += chunk.toString()));
  const [status] = (await once(run, 'exit')) as [number | null];
  const passed = Number(/^ℹ pass (\d+)/m.exec(output)?.[1]);
  t.diagnostic(`${passed} tests`);
  assert.equal(status, 0, output.slice(output.indexOf('failing tests:')));
  assert.ok(passed > 0);
});
