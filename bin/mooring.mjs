#!/usr/bin/env node
// `npx mooring COMMAND`: the command line; `npx mooring help` lists the commands.
import { setup } from '../tools/setup.mjs';

await setup();
await import('../dist/src/cli/mooring.js');
