// `npm run consent-suite -- URL`: set up, then put the consent cases to a running server.
import { setup } from './setup.mjs';

await setup();
await import('../dist/test/consent/suite-command.js');
