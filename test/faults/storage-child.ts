/**
 * A process that writes until it is killed, or until it is told that it cannot: transactions of three resources and single updates, 4 at a time.
 * Prints one line for what was acknowledged, after it was: `ok KEY TEXT`; `failed NAME` for what was refused; `read KEY` for what it read back.
 */
import { commit, currentOf, draftOf, openStore, save, textOf } from '../suites/store.js';

const [folder, run, patience] = process.argv.slice(2) as [string, string, string];
const store = await openStore(folder);
let refusals = 0;

async function write(writer: number): Promise<void> {
  for (let turn = 0; refusals < Number(patience); turn += 1) {
    const key = `${run}-${writer}-${turn}`;
    const text = `${key}-${'x'.repeat(1 + ((turn * 997) % 3_000))}`;
    try {
      if (turn % 3 === 2) {
        await save(store, `Patient/shared-${writer}`, text);
        process.stdout.write(`ok Patient/shared-${writer} ${text}\n`);
      } else {
        const references = [`Patient/a-${key}`, `Observation/b-${key}`, `Observation/c-${key}`];
        await commit(store, ...references.map((reference) => draftOf(store, reference, 1, text)));
        process.stdout.write(references.map((reference) => `ok ${reference} ${text}\n`).join(''));
      }
    } catch (error) {
      refusals += 1;
      process.stdout.write(`failed ${(error as Error).name}\n`);
    }
  }
}

process.stdout.write('open\n');
await Promise.all([0, 1, 2, 3].map(write));
// What was written before the store was full can still be read.
const row = await currentOf(store, 'Patient/shared-0');
if (row !== undefined) process.stdout.write(`read ${(await textOf(store, row)).slice(0, 4)}\n`);
await store.close().catch((error: Error) => process.stdout.write(`failed ${error.name}\n`));
process.exit(0);
