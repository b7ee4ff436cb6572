/** forge: fuzz and invariants of the contracts (test/forge). The compiler is solc-js, which takes minutes to optimise. */
import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { test } from 'node:test';
import { promisify } from 'node:util';

test('forge: the head is only extended, by a quorum; a revoked policy never permits; a pause never blocks a revocation', async () => {
  const env = { ...process.env, FOUNDRY_FUZZ_RUNS: process.env['FUZZ_RUNS'] ?? '256' };
  const { stdout } = await promisify(execFile)('npx', ['--no-install', 'forge', 'test', '--offline'], {
    env,
    maxBuffer: 64 * 1024 * 1024,
  });
  assert.match(stdout, / 0 failed/);
});
