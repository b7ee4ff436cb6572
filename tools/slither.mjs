// Runs slither on contracts/ and fails on findings above informational that docs/slither.md does not explain by their kind and place. `--places` prints
// kind and place of each; `--report FILE` looks at a report that is there instead.
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

/** `Contract.function` that a finding is about; the contract alone where it is about no function. */
function placeOf({ elements }) {
  const chain = [];
  for (let element = elements[0]; element !== undefined; element = element.type_specific_fields?.parent)
    chain.push(element);
  const named = (type) => chain.find((element) => element.type === type)?.name;
  const contract = named('contract') ?? elements[0]?.name ?? '?';
  const member = named('function') ?? (elements[0]?.type === 'variable' ? elements[0].name : undefined);
  return member === undefined ? contract : `${contract}.${member}`;
}

/** Kinds with the places at which docs/slither.md explains them: rows of its table, both in backticks. */
function explanations() {
  const rows = readFileSync(path.join(root, 'docs', 'slither.md'), 'utf8').matchAll(/^\| `([a-z-]+)` +\|([^|]*)\|/gm);
  const places = new Map();
  for (const [, check, cell] of rows) {
    const known = places.get(check) ?? new Set();
    for (const [, place] of cell.matchAll(/`([^`]+)`/g)) known.add(place);
    places.set(check, known);
  }
  return places;
}

const findings = report().results.detectors ?? [];
const above = findings.filter(({ impact }) => ['High', 'Medium', 'Low'].includes(impact));
const explained = explanations();
const found = new Set(above.map((finding) => `${finding.check} ${placeOf(finding)}`));
if (process.argv.includes('--places')) process.stdout.write(`${[...found].sort().join('\n')}\n`);
const open = above.filter((finding) => !explained.get(finding.check)?.has(placeOf(finding)));
for (const finding of open)
  process.stderr.write(`${finding.impact} ${finding.check} at ${placeOf(finding)}: ${finding.description}\n`);
// What is explained and no longer found would hide a later finding.
const stale = [...explained].flatMap(([check, places]) => [...places].map((place) => `${check} ${place}`));
const gone = stale.filter((each) => !found.has(each));
for (const each of gone) process.stderr.write(`explained, but not found: ${each}\n`);
process.stdout.write(
  `slither: ${findings.length} findings, ${above.length} above informational, ${open.length} not explained, ${gone.length} explained in vain\n`,
);
process.exitCode = open.length + gone.length === 0 ? 0 : 1;
