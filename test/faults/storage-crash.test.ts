import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { currentOf, openStore, save, textOf, type Store } from '../suites/store.js';
import { tempFolder } from '../suites/temp.js';

const child = fileURLToPath(new URL('./storage-child.js', import.meta.url));

interface Told {
  /** What was acknowledged last, by reference. */
  readonly acknowledged: Map<string, string>;
  readonly lines: string[];
}

/** Runs the writing process until `isEnough` lines came or it ends by itself. @param limit `ulimit -f`, in blocks of 1024 bytes. */
async function runChild(folder: string, run: string, isEnough: number, limit?: number): Promise<Told> {
  const command = [process.execPath, child, folder, run, limit === undefined ? '1' : '5'];
  const bounded = ['-c', `ulimit -f ${limit}; exec "$0" "$@"`, ...command];
  const writing = limit === undefined ? spawn(command[0]!, command.slice(1)) : spawn('bash', bounded);
  let text = '';
  writing.stdout.on('data', (piece: Buffer) => {
    text += piece.toString();
    if (text.split('\n').length > isEnough) writing.kill('SIGKILL');
  });
  let problems = '';
  writing.stderr.on('data', (piece: Buffer) => (problems += piece.toString()));
  await once(writing, 'close');
  assert.equal(problems, '');
  // The last line may be cut by the kill: it was not heard, so it does not count.
  const lines = text.slice(0, text.lastIndexOf('\n')).split('\n');
  const acknowledged = new Map<string, string>();
  for (const line of lines) {
    const [word, reference, value] = line.split(' ');
    if (word === 'ok') acknowledged.set(reference!, value!);
  }
  return { acknowledged, lines };
}

async function check(store: Store, acknowledged: ReadonlyMap<string, string>): Promise<void> {
  for (const [reference, text] of acknowledged) {
    const row = await currentOf(store, reference);
    assert.ok(row !== undefined, `${reference} was acknowledged and is gone`);
    const found = await textOf(store, row);
    // A shared resource may have been written once more without the answer being heard.
    if (!reference.startsWith('Patient/shared')) assert.equal(found, text);
  }
  const rows = await store.catalog.versionsByLeaf(0, store.catalog.head().leafCount + 10);
  const transactions = new Map<string, number>();
  for (const [index, row] of rows.entries()) {
    assert.equal(row.leafIndex, index);
    const { id, resourceType } = store.records.header(row);
    await store.records.open(row);
    if (id.startsWith('shared')) continue;
    const transaction = id.slice(2);
    transactions.set(transaction, (transactions.get(transaction) ?? 0) + 1);
    assert.ok(['Patient', 'Observation'].includes(resourceType));
  }
  for (const [transaction, count] of transactions)
    assert.equal(count, 3, `half of transaction ${transaction} is visible`);
}

test('killed at any moment, ten times over: what was acknowledged is there, and no half of a transaction', async () => {
  const folder = await tempFolder();
  const all = new Map<string, string>();
  for (let round = 0; round < 10; round += 1) {
    const { acknowledged, lines } = await runChild(folder, `r${round}`, 1 + ((round * 37) % 101));
    assert.ok(
      !lines.some((line) => line.startsWith('failed')),
      lines.find((line) => line.startsWith('failed')),
    );
    for (const [reference, text] of acknowledged) all.set(reference, text);
  }
  assert.ok(all.size > 50);
  const store = await openStore(folder);
  await check(store, all);
  await save(store, 'Patient/after', 'after');
  await store.close();
});

test('when the disk takes no more, writers are told, reads go on, and with room again everything does', async (t) => {
  if (process.platform === 'win32') return t.skip('there is no ulimit');
  const folder = await tempFolder();
  const { acknowledged, lines } = await runChild(folder, 'full', Infinity, 700);
  const failures = new Set(lines.filter((line) => line.startsWith('failed')));
  assert.ok(failures.size > 0, 'the limit was never met');
  for (const failure of failures) assert.match(failure, /^failed (BlockStore|Catalog)Unavailable$/);
  assert.ok(lines.includes('read full'));
  assert.ok(acknowledged.size > 0);
  const store = await openStore(folder);
  await check(store, acknowledged);
  await save(store, 'Patient/after', 'after');
  assert.equal(await textOf(store, (await currentOf(store, 'Patient/after'))!), 'after');
  await store.close();
});
