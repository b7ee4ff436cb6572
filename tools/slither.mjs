// Runs slither on contracts/ and fails on findings above informational that docs/slither.md does not explain. `--report FILE` checks a report that is there.
import { spawnSync } from 'node:child_process';
import { cpSync, existsSync, mkdtempSync, readFileSync, rmSync, symlinkSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { root } from './root.mjs';

const version = '0.11.6';
const venv = path.join(root, 'dist', 'slither');

function run(command, args, options = {}) {
  const { status, stdout, stderr } = spawnSync(command, args, { encoding: 'utf8', maxBuffer: 1 << 28, ...options });
  return { status, text: `${stdout}${stderr}` };
}

/** Findings of slither's JSON report. */
function report() {
  const given = process.argv.indexOf('--report');
  if (given > 0) return JSON.parse(readFileSync(process.argv[given + 1], 'utf8'));
  if (!existsSync(path.join(venv, 'bin', 'slither'))) {
    for (const [command, ...args] of [
      ['python3', '-m', 'venv', venv],
      [path.join(venv, 'bin', 'pip'), 'install', '-q', `slither-analyzer==${version}`],
    ]) {
      const { status, text } = run(command, args);
      if (status !== 0) throw new Error(`slither cannot be installed: ${text}`);
    }
  }
  const folder = mkdtempSync(path.join(tmpdir(), 'slither-'));
  try {
    for (const name of ['contracts', 'tools', 'foundry.toml'])
      cpSync(path.join(root, name), path.join(folder, name), { recursive: true });
    symlinkSync(path.join(root, 'node_modules'), path.join(folder, 'node_modules'));
    const env = {
      ...process.env,
      FOUNDRY_OPTIMIZER: 'false',
      PATH: `${path.join(root, 'node_modules', '.bin')}:${process.env.PATH}`,
    };
    const output = path.join(folder, 'report.json');
    const { text } = run(path.join(venv, 'bin', 'slither'), ['.', '--filter-paths', 'node_modules', '--json', output], {
      cwd: folder,
      env,
    });
    if (!existsSync(output)) throw new Error(`slither wrote no report: ${text.slice(-2000)}`);
    return JSON.parse(readFileSync(output, 'utf8'));
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

const explained = new Set(
  [...readFileSync(path.join(root, 'docs', 'slither.md'), 'utf8').matchAll(/^\| `([a-z-]+)`/gm)].map(
    ([, check]) => check,
  ),
);
const findings = report().results.detectors ?? [];
const above = findings.filter(({ impact }) => ['High', 'Medium', 'Low'].includes(impact));
const open = above.filter(({ impact, check }) => impact === 'High' || !explained.has(check));
for (const { impact, check, description } of open) process.stderr.write(`${impact} ${check}: ${description}\n`);
process.stdout.write(
  `slither: ${findings.length} findings, ${above.length} above informational, ${open.length} not explained\n`,
);
process.exitCode = open.length === 0 ? 0 : 1;
