// `npm test [-- FILTER...]`: set up, then run every test file (or those whose path contains one of the filters) with node:test.
import { spawnSync } from 'node:child_process';
import { root } from './root.mjs';
import { setup } from './setup.mjs';
import { filesBelow } from './build.mjs';

await setup();
const filters = process.argv.slice(2);
// What drives other engines has a command of its own: `npm run test:engines`.
const files = filesBelow('dist/test', '.test.js').filter(
  (file) =>
    !file.includes('test/engines/') && (filters.length === 0 || filters.some((filter) => file.includes(filter))),
);
if (files.length === 0) {
  process.stderr.write(`No test file matches ${filters.join(', ')}.\n`);
  process.exit(1);
}
const run = spawnSync(
  process.execPath,
  ['--enable-source-maps', '--test', '--test-concurrency=2', '--test-reporter=spec', ...files],
  { cwd: root, stdio: 'inherit' },
);
process.exit(run.status ?? 1);
