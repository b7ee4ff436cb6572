/** The migration's rows of the table of faults: each durable step on the target fails in both ways; started again on what that left, it brings everything. */
import assert from 'node:assert/strict';
import path from 'node:path';
import { after, before, test } from 'node:test';
import { compare, moveAll, type Stores } from '../../src/cli/transfer/copy.js';
import { CatalogUnavailable } from '../../src/commit/catalog.js';
import { openSqliteCatalog } from '../../src/commit/sqlite/sqlite-catalog.js';
import { BlockStoreUnavailable } from '../../src/ipfs/block-store.js';
import { openLocalBlockStore } from '../../src/ipfs/local-block-store.js';
import { commit, deletionOf, draftOf, openStore, save, type Store } from '../suites/store.js';
import { tempFolder } from '../suites/temp.js';
import { FaultPlane, ways } from './fault-plane.js';

let source: Store;
before(async () => {
  source = await openStore(await tempFolder());
  await commit(source, draftOf(source, 'Patient/a', 1, 'a'), draftOf(source, 'Observation/a', 1, 'a'));
  await save(source, 'Patient/a', 'again');
  await commit(source, deletionOf(source, 'Observation/a', 2));
  for (const key of ['consent/a', 'anchor/b']) await source.catalog.putState(key, Buffer.from(key));
});
after(() => source.close());

/** The target's stores, behind the plane; `real` without it. */
async function targetIn(folder: string, plane: FaultPlane): Promise<Stores & { real: Stores; close(): Promise<void> }> {
  const catalog = await openSqliteCatalog(path.join(folder, 'catalog.sqlite'));
  const blocks = await openLocalBlockStore(path.join(folder, 'blocks'));
  return {
    real: { catalog, blocks },
    catalog: plane.around(catalog, 'catalog', ['append', 'amend', 'putState'], (text) => new CatalogUnavailable(text)),
    blocks: plane.around(blocks, 'blocks', ['put'], (text) => new BlockStoreUnavailable(text)),
    async close() {
      await catalog.close();
      await blocks.close();
    },
  };
}

test('migration: whichever durable step fails, it is started again and ends with every record, compared one by one', async () => {
  const plane = new FaultPlane();
  const probe = await targetIn(await tempFolder(), plane);
  plane.record();
  await moveAll(source, probe);
  const steps = plane.stopRecording();
  await probe.close();
  assert.deepEqual(
    steps.map((step) => step.replace(/\(.*?\)/, '')),
    ['blocks.put 1', 'catalog.amend 1', 'catalog.putState 1', 'catalog.putState 1', 'catalog.append 1'],
  );
  for (const step of steps) {
    for (const way of ways) {
      const folder = await tempFolder();
      const first = await targetIn(folder, plane);
      plane.arm({ step, way });
      await assert.rejects(moveAll(source, first), /planted/, `${step} ${way}`);
      plane.revive();
      await first.close();
      const second = await targetIn(folder, plane);
      await moveAll(source, second);
      const { problem, versions } = await compare(source.catalog, second.real.catalog, second.real.blocks);
      assert.deepEqual([problem, versions], [undefined, 4], `${step} ${way}`);
      await second.close();
    }
  }
});
