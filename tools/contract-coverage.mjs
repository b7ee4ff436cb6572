// Line coverage of contracts/ by test/forge: `node tools/contract-coverage.mjs [--at-least PERCENT]`. Prints a table; fails when a test does, or when
// less than PERCENT (default 98) of the lines are run. Minimum optimisation (forge coverage --ir-minimum): about a minute.
import { spawnSync } from 'node:child_process';
import { mkdirSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { parseArgs } from 'node:util';
import { root } from './root.mjs';

const { values } = parseArgs({ options: { 'at-least': { type: 'string', default: '98' } } });
const report = path.join(root, 'dist', 'forge', 'lcov.info');
mkdirSync(path.dirname(report), { recursive: true });
const options = ['--offline', '--ir-minimum', '--report', 'lcov', '--report-file', report];
const { status, stdout, stderr } = spawnSync('npx', ['--no-install', 'forge', 'coverage', ...options], {
  cwd: root,
  encoding: 'utf8',
  maxBuffer: 1 << 28,
  // A coverage build has no place beside the optimised one.
  env: { ...process.env, FOUNDRY_OUT: 'dist/forge/coverage-out', FOUNDRY_CACHE_PATH: 'dist/forge/coverage-cache' },
});
if (status !== 0) {
  process.stderr.write(`${stdout.slice(-4000)}${stderr.slice(-4000)}\n`);
  process.exit(1);
}

/** Lines of each contract: run, all, and those that were not. */
const files = new Map();
let current;
for (const line of readFileSync(report, 'utf8').split('\n')) {
  const [kind, rest = ''] = line.split(/:(.*)/);
  if (kind === 'SF') files.set(rest, (current = { run: 0, all: 0, missed: [] }));
  if (kind !== 'DA') continue;
  const [number, hits] = rest.split(',').map(Number);
  current.all += 1;
  if (hits > 0) current.run += 1;
  else current.missed.push(number);
}
let [run, all] = [0, 0];
for (const [file, lines] of [...files].sort()) {
  if (!file.startsWith('contracts/')) continue;
  run += lines.run;
  all += lines.all;
  const missed = lines.missed.length === 0 ? '' : `not run: ${lines.missed.join(', ')}`;
  process.stdout.write(
    `${file.padEnd(36)} ${String(lines.run).padStart(4)} of ${String(lines.all).padEnd(4)} ${missed}\n`,
  );
}
const percent = (100 * run) / all;
process.stdout.write(`line coverage of contracts: ${percent.toFixed(2)} % (${run} of ${all} lines)\n`);
process.exit(percent >= Number(values['at-least']) ? 0 : 1);
