// `npm start`: set up, then run the server in this process (so that signals reach it).
import { setup } from './setup.mjs';

await setup();
await import('../dist/src/main.js');
