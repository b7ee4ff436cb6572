// `npm run test:engines [-- FILTER...]`: builds the engines, installs Debian's packages that the tests drive, and runs test/engines/*.test.ts
// (or those whose path contains one of the filters).
import { spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { root } from './root.mjs';
import { setup } from './setup.mjs';
import { filesBelow } from './build.mjs';
import { buildEngines } from './engines.mjs';

/** Debian package and a file that it brings. */
const packages = [
  ['chromium', '/usr/bin/chromium'],
  ['softhsm2', '/usr/bin/softhsm2-util'],
  ['opensc', '/usr/bin/pkcs11-tool'],
];

function installPackages() {
  const missing = packages.filter(([, file]) => !existsSync(file)).map(([name]) => name);
  if (missing.length === 0) return;
  const isRoot = process.getuid?.() === 0;
  const hasApt = spawnSync('apt-get', ['--version'], { stdio: 'ignore' }).status === 0;
  if (!isRoot || !hasApt) {
    fail(
      `These tests need ${missing.join(', ')} (names of Debian's packages). ` +
        `Install them and run again; as root on Debian this command does it by itself.`,
    );
  }
  process.stderr.write(`Installing ${missing.join(', ')} ...\n`);
  const options = { stdio: ['ignore', 2, 2], env: { ...process.env, DEBIAN_FRONTEND: 'noninteractive' } };
  const done =
    spawnSync('apt-get', ['-qq', 'update'], options).status === 0 &&
    spawnSync('apt-get', ['-qq', '-y', '--no-install-recommends', 'install', ...missing], options).status === 0;
  if (!done) fail(`apt-get could not install ${missing.join(', ')}; the lines above say why.`);
}

function fail(text) {
  process.stderr.write(`${text}\n`);
  process.exit(1);
}

await setup();
const filters = process.argv.slice(2);
const files = filesBelow('dist/test/engines', '.test.js').filter(
  (file) => filters.length === 0 || filters.some((filter) => file.includes(filter)),
);
if (files.length === 0) fail(`No test file of test/engines matches ${filters.join(', ')}.`);
installPackages();
const binaries = await buildEngines().catch((error) => fail(error.message));
const run = spawnSync(
  process.execPath,
  ['--enable-source-maps', '--test', '--test-concurrency=2', '--test-reporter=spec', ...files],
  { cwd: root, stdio: 'inherit', env: { ...process.env, MOORING_ENGINES: JSON.stringify(binaries) } },
);
process.exit(run.status ?? 1);
