// Writes profiles/r4-core/expansions.json: digests of the expansions of the core value sets, so that a start need not make them.
// Run after generate.mjs: `node tools/r4/expansions.mjs`. A test compares the file with what is made from the definitions.
import { writeFileSync } from 'node:fs';
import path from 'node:path';
import { build } from '../build.mjs';
import { root } from '../setup.mjs';

await build();
const { loadDefinitions } = await import('../../dist/src/fhir/definitions/definitions.js');
const { createTerminology } = await import('../../dist/src/fhir/terminology/terminology.js');
const { makeCoreFacts } = await import('../../dist/src/fhir/validation/core-facts.js');
const definitions = loadDefinitions();
const { names, expansions } = makeCoreFacts(definitions, createTerminology(definitions));
const lines = (list) => list.map((item) => `    ${JSON.stringify(item)}`).join(',\n');
const text = `{\n  "names": [\n${lines(names)}\n  ],\n  "expansions": [\n${lines(expansions)}\n  ]\n}\n`;
writeFileSync(path.join(root, 'profiles', 'r4-core', 'expansions.json'), text);
