/** What every BlockStore does. An adapter's test calls `blockStoreSuite` and adds what is its own. */
import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { test, type TestContext } from 'node:test';
import { sha256, toHex } from '../../src/base/bytes.js';
import { BlockMissing, type BlockStore, type SealedBlock } from '../../src/ipfs/block-store.js';

/** A store that survives `reopen`; closed and removed with the test. */
export interface OpenedBlockStore {
  readonly store: BlockStore;
  reopen(): Promise<BlockStore>;
}

export function blockOf(bytes: Uint8Array): SealedBlock {
  return { digest: sha256(bytes), bytes };
}

export function randomBlock(sizeBytes = 100): SealedBlock {
  return blockOf(randomBytes(sizeBytes));
}

export function blockStoreSuite(name: string, openStore: (t: TestContext) => Promise<OpenedBlockStore>): void {
  test(`${name}: a block that was put is read back by its digest`, async (t) => {
    const { store } = await openStore(t);
    const blocks = [randomBlock(1), randomBlock(1000), randomBlock(300_000)];
    await store.put(blocks);
    for (const { digest, bytes } of blocks) assert.deepEqual(Buffer.from(await store.get(digest)), bytes);
  });

  test(`${name}: a block that was never put is missing, and the error names its CID`, async (t) => {
    const { store } = await openStore(t);
    const { digest } = randomBlock();
    assert.equal(await store.has(digest), false);
    await assert.rejects(store.get(digest), (error: BlockMissing) => {
      assert.equal(error.name, 'BlockMissing');
      assert.match(error.cid, /^bafkrei[a-z2-7]{52}$/);
      return true;
    });
  });

  test(`${name}: what it gives at once is the block that was put, and nothing where there is none`, async (t) => {
    const { store } = await openStore(t);
    const blocks = [randomBlock(1), randomBlock(1000), randomBlock(300_000)];
    await store.put(blocks);
    for (const { digest, bytes } of blocks) {
      const now = store.getNow?.(digest);
      if (now !== undefined) assert.deepEqual(Buffer.from(now), bytes);
    }
    assert.equal(store.getNow?.(randomBlock().digest), undefined);
  });

  test(`${name}: answers when it is asked whether it is there`, async (t) => {
    const { store } = await openStore(t);
    await store.ping();
  });

  test(`${name}: what was put is there after a restart`, async (t) => {
    const { store, reopen } = await openStore(t);
    const blocks = Array.from({ length: 50 }, () => randomBlock());
    await store.put(blocks);
    const again = await reopen();
    for (const { digest, bytes } of blocks) assert.deepEqual(Buffer.from(await again.get(digest)), bytes);
    const { blocks: held, sizeBytes } = await again.size();
    assert.equal(held, 50);
    const usage = await again.usage();
    assert.ok(usage.blocks >= 50 && usage.sizeBytes >= sizeBytes, 'what is used is no less than what is held');
  });

  test(`${name}: putting the same bytes again changes nothing`, async (t) => {
    const { store } = await openStore(t);
    const block = randomBlock();
    await store.put([block, block]);
    const before = await store.size();
    await store.put([block]);
    assert.deepEqual(await store.size(), before);
    assert.equal(before.blocks, 1);
  });

  test(`${name}: calls at the same time all succeed, and each finds its blocks at once`, async (t) => {
    const { store } = await openStore(t);
    await Promise.all(
      Array.from({ length: 40 }, async () => {
        const blocks = [randomBlock(), randomBlock(5_000)];
        await store.put(blocks);
        for (const { digest, bytes } of blocks) assert.deepEqual(Buffer.from(await store.get(digest)), bytes);
      }),
    );
    assert.equal((await store.size()).blocks, 80);
  });

  test(`${name}: a deleted block is missing, its neighbours are not, also after a restart`, async (t) => {
    const { store, reopen } = await openStore(t);
    const [one, two, three] = [randomBlock(), randomBlock(), randomBlock()] as const;
    await store.put([one, two, three]);
    await store.delete([two.digest, randomBlock().digest]);
    const check = async (opened: BlockStore) => {
      await assert.rejects(opened.get(two.digest), BlockMissing);
      assert.equal(await opened.has(two.digest), false);
      assert.deepEqual(Buffer.from(await opened.get(one.digest)), one.bytes);
      assert.deepEqual(Buffer.from(await opened.get(three.digest)), three.bytes);
      assert.equal((await opened.size()).blocks, 2);
    };
    await check(store);
    await check(await reopen());
  });

  test(`${name}: a block that was deleted can be put again`, async (t) => {
    const { store } = await openStore(t);
    const block = randomBlock();
    await store.put([block]);
    await store.delete([block.digest]);
    await store.put([block]);
    assert.deepEqual(Buffer.from(await store.get(block.digest)), block.bytes);
  });

  test(`${name}: list names every block that is held, once`, async (t) => {
    const { store } = await openStore(t);
    const blocks = Array.from({ length: 20 }, () => randomBlock());
    await store.put(blocks);
    await store.delete([blocks[3]!.digest]);
    const listed: string[] = [];
    for await (const digest of store.list()) listed.push(toHex(digest));
    const expected = blocks.filter((_, index) => index !== 3).map(({ digest }) => toHex(digest));
    assert.deepEqual(listed.sort(), expected.sort());
  });
}
