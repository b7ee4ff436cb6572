// Builds the engines of the tests below test/engines from the Go modules in tools/engines: Kubo, geth, FerretDB.
//
// Each is built once: the binary is kept in a cache folder outside the tree, named after what it was built from.
// MOORING_ENGINES_CACHE names another folder.
import { spawn, spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { cpSync, existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, renameSync, rmSync } from 'node:fs';
import { homedir, tmpdir } from 'node:os';
import path from 'node:path';
import { root } from './root.mjs';

/** Binary by engine: its module's folder, what is built, and flags. */
const engines = {
  ferretdb: { target: '.', flags: ['-tags', 'ferretdb_sqlite'] },
  geth: { target: 'github.com/ethereum/go-ethereum/cmd/geth', flags: ['-ldflags=-checklinkname=0'] },
  ipfs: { folder: 'kubo', target: 'github.com/ipfs/kubo/cmd/ipfs', flags: [] },
};

/**
 * Builds what is not in the cache yet, one after the other.
 * @returns the path of each binary by its name: `{ ferretdb, geth, ipfs }`.
 * @throws Error that says what is missing, when Go is not there or a build fails.
 */
export async function buildEngines(names = Object.keys(engines)) {
  const binaries = {};
  for (const name of names) binaries[name] = await buildEngine(name, engines[name]);
  return binaries;
}

async function buildEngine(name, { folder = name, target, flags }) {
  const source = path.join(root, 'tools', 'engines', folder);
  const files = readdirSync(source).sort();
  const stamp = createHash('sha256').update(JSON.stringify([target, flags, process.platform, process.arch]));
  for (const file of files) stamp.update(file).update(readFileSync(path.join(source, file)));
  const binary = path.join(cacheFolder(), `${name}-${stamp.digest('hex').slice(0, 16)}`);
  if (existsSync(binary)) return binary;
  requireGo();
  process.stderr.write(`Building ${name} (a few minutes the first time) ...\n`);
  const startedAt = performance.now();
  const work = mkdtempSync(path.join(tmpdir(), 'mooring-engine-'));
  try {
    // A copy: the Go command must not touch the tree, and a go.mod above it must not matter.
    for (const file of files) cpSync(path.join(source, file), path.join(work, file));
    mkdirSync(path.dirname(binary), { recursive: true });
    const fresh = `${binary}.${process.pid}`;
    const status = await run('go', ['build', '-buildvcs=false', '-trimpath', ...flags, '-o', fresh, target], work);
    if (status !== 0) throw new Error(`go build of ${name} failed; the lines above say why`);
    renameSync(fresh, binary);
  } finally {
    rmSync(work, { recursive: true, force: true });
  }
  process.stderr.write(`${name} built in ${Math.round((performance.now() - startedAt) / 1000)} s\n`);
  return binary;
}

/** Where built engines are kept. */
export function cacheFolder() {
  const { MOORING_ENGINES_CACHE, XDG_CACHE_HOME } = process.env;
  return MOORING_ENGINES_CACHE || path.join(XDG_CACHE_HOME || path.join(homedir(), '.cache'), 'mooring', 'engines');
}

function requireGo() {
  const { status, stdout } = spawnSync('go', ['version'], { encoding: 'utf8' });
  const [, minor] = /go1\.(\d+)/.exec(stdout ?? '') ?? [];
  if (status === 0 && Number(minor) >= 25) return;
  throw new Error(
    'The engines of these tests (Kubo, geth, FerretDB) are built from source, which needs Go 1.25 or later ' +
      `(https://go.dev/dl/); found ${status === 0 ? stdout.trim() : 'no go command'}.`,
  );
}

function run(command, args, cwd) {
  return new Promise((resolve, reject) => {
    const child = spawn(command, args, { cwd, stdio: ['ignore', 2, 2], env: { ...process.env, GOFLAGS: '' } });
    child.on('error', reject);
    child.on('exit', (code) => resolve(code ?? 1));
  });
}
