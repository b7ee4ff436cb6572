// `npm start`: set up, then run the server in this process (so that signals reach it).
import { setup } from './setup.mjs';

endWithNpm();
await setup();
await import('../dist/src/main.js');

/** npm that is killed outright passes no signal on; a server without a parent would hold the data folder against the next start. */
function endWithNpm() {
  const { ppid } = process;
  if (process.env.npm_lifecycle_event !== 'start') return;
  setInterval(() => process.ppid !== ppid && process.kill(process.pid, 'SIGTERM'), 500).unref();
}
