// `npm run bench [-- NAME]`: set up, then run bench/NAME.ts (default: server) and print its table.
import { setup } from './setup.mjs';

await setup();
const name = process.argv[2]?.startsWith('-') === false ? process.argv[2] : 'server';
if (!/^[a-z-]+$/.test(name)) throw new Error(`no such bench: ${name}`);
const engines = { engines: ['geth', 'ipfs'], migrate: ['ferretdb', 'ipfs'] }[name];
if (engines !== undefined) {
  const { buildEngines } = await import('./engines.mjs');
  process.env.MOORING_ENGINES = JSON.stringify(await buildEngines(engines));
}
await import(`../dist/bench/${name}.js`);
