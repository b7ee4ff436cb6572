// `npm run check`: format, lint, types; the import-direction test runs with `npm test` and here.
import { spawnSync } from 'node:child_process';
import { root } from './root.mjs';
import { setup } from './setup.mjs';

await setup();
const steps = [
  ['format', 'npx', ['prettier', '--check', '--log-level', 'warn', '.']],
  ['lint', 'npx', ['eslint', '--max-warnings=0', 'src', 'test', 'bench']],
  ['types', 'npx', ['tsc', '--noEmit', '-p', '.']],
  ['import direction', process.execPath, ['tools/test.mjs', 'architecture']],
];
let failed = 0;
for (const [name, command, args] of steps) {
  const { status } = spawnSync(command, args, { cwd: root, stdio: 'inherit' });
  process.stderr.write(`${status === 0 ? 'ok    ' : 'FAILED'} ${name}\n`);
  if (status !== 0) failed += 1;
}
process.exit(failed === 0 ? 0 : 1);
