/** forge and slither on the contracts: fuzz, invariants, line coverage (test/forge), findings (docs/slither.md). The compiler is solc-js. */
import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { it } from 'node:test';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';

const root = fileURLToPath(new URL('../../..', import.meta.url));
const run = (command: string, args: readonly string[], env: NodeJS.ProcessEnv = process.env) =>
  promisify(execFile)(command, args, { cwd: root, env, maxBuffer: 64 * 1024 * 1024 });

it('forge: the head is only extended, by a quorum; a revoked policy never permits; a pause never blocks a revocation', async () => {
  const env = { ...process.env, FOUNDRY_FUZZ_RUNS: process.env['FUZZ_RUNS'] ?? '256' };
  const { stdout } = await run('npx', ['--no-install', 'forge', 'test', '--offline'], env);
  assert.match(stdout, / 0 failed/);
});

it('at least 98 % of the lines of the contracts are run by their tests', async (t) => {
  const { stdout } = await run(process.execPath, ['tools/contract-coverage.mjs', '--at-least', '98']);
  for (const line of stdout.trimEnd().split('\n')) t.diagnostic(line);
  assert.match(stdout, /line coverage of contracts: (9[89]|100)\./);
});

it('slither finds nothing above informational that docs/slither.md does not explain by its place', async (t) => {
  const { stdout } = await run(process.execPath, ['tools/slither.mjs']);
  t.diagnostic(stdout.trimEnd());
  assert.match(stdout, / 0 not explained/);
});
