/** Backups beside rotations of keys: what a rotation changed and what it had not changed yet are never in one backup. */
import assert from 'node:assert/strict';
import { readdir } from 'node:fs/promises';
import path from 'node:path';
import { after, before, it } from 'node:test';
import { ArchiveBroken } from '../../src/cli/transfer/archive.js';
import { makeBackup, type BackupParts } from '../../src/cli/transfer/make-backup.js';
import { restoreFiles, restoreStores } from '../../src/cli/transfer/restore-backup.js';
import { rotateCompartments, rotateMaster } from '../../src/commit/rotate-keys.js';
import { advance, endRotation, readRotation } from '../../src/commit/rotation.js';
import { openSqliteCatalog } from '../../src/commit/sqlite/sqlite-catalog.js';
import { openLocalBlockStore } from '../../src/ipfs/local-block-store.js';
import { openKeyRing } from '../../src/vault/file-key-ring.js';
import { testConfig } from '../e2e/server.js';
import { currentOf, openStore, save, textOf, type Store } from '../suites/store.js';
import { tempFolder } from '../suites/temp.js';

let folder: string;
let store: Store;
const references = Array.from({ length: 30 }, (_, index) => `Patient/p${index}`);

before(async () => {
  folder = await tempFolder();
  store = await openStore(folder);
  for (const reference of references) await save(store, reference, `of ${reference}`);
});
after(() => store.close());

/** As `mooring backup` opens them, beside the process that has them open. */
function partsOf(onProgress: BackupParts['onProgress']): BackupParts {
  return {
    config: testConfig(folder),
    openCatalog: () => openSqliteCatalog(path.join(folder, 'catalog.sqlite')),
    openBlocks: () => openLocalBlockStore(path.join(folder, 'blocks'), { isReader: true }),
    onProgress,
  };
}

/** Every resource of a backup, opened with the ring as it is now. */
async function textsIn(backup: string): Promise<string[]> {
  const target = await tempFolder();
  const manifest = await restoreFiles(backup, target, undefined);
  const keyRing = await openKeyRing(path.join(folder, 'keys.json'));
  const catalog = await openSqliteCatalog(path.join(target, 'catalog.sqlite'));
  const blocks = await openLocalBlockStore(path.join(target, 'blocks'));
  await restoreStores(backup, manifest, { catalog, blocks, keyRing }, {});
  const restored = await openStore(folder, { sharedCatalog: catalog, sharedBlocks: blocks });
  try {
    return await Promise.all(
      references.map(async (reference) => textOf(restored, (await currentOf(restored, reference))!)),
    );
  } finally {
    await restored.close();
    await catalog.close();
    await blocks.close();
  }
}

for (const [name, rotate] of [
  ['compartments', rotateCompartments],
  ['master', rotateMaster],
] as const) {
  it(`a rotation of the ${name} that begins and ends while it is made: it is made anew, and all of it can be opened`, async () => {
    const keyRing = await openKeyRing(path.join(folder, 'keys.json'));
    const { catalog, committer, vault } = store;
    let times = 0;
    let rotation: Promise<void> | undefined;
    const backup = path.join(await tempFolder(), 'backup');
    const parts = partsOf((what) => {
      // The keys are written, the blocks and the check are still to come.
      if (what === 'entries') times += 1;
      if (what === 'entries') rotation ??= rotate({ catalog, committer, vault, keyRing, graceMs: 0 });
    });
    const manifest = await makeBackup(
      {
        ...parts,
        async openBlocks() {
          const blocks = await parts.openBlocks!();
          return new Proxy(blocks, {
            get: (target, key) => {
              const member = target[key as keyof typeof target];
              if (key !== 'size') return typeof member === 'function' ? member.bind(target) : member;
              // Asked for between the entries and the blocks: the rotation ends here.
              return async () => {
                await rotation;
                return target.size();
              };
            },
          });
        },
      },
      backup,
    );
    assert.equal(times, 2, 'made twice');
    assert.equal(manifest.leafCount, references.length);
    assert.deepEqual(
      await textsIn(backup),
      references.map((reference) => `of ${reference}`),
    );
  });
}

it('waits for a rotation that is under way, and is refused when that does not end in time', async () => {
  const { catalog } = store;
  const running = { key: 'index', step: 'fill', next: 0, done: 3, total: 9 } as const;
  await advance(catalog, running);
  const seen: string[] = [];
  const refused = path.join(await tempFolder(), 'refused');
  await assert.rejects(
    makeBackup(
      partsOf((what, done, total) => void seen.push(`${what} ${done} of ${total}`)),
      refused,
      0,
    ),
    (error: ArchiveBroken) =>
      error instanceof ArchiveBroken && /rotation of index is still under way/.test(error.message),
  );
  assert.deepEqual(seen, ['rotation of index 3 of 9']);
  assert.deepEqual(await readdir(refused), [], 'nothing is left that looks like a backup');
  const waiting = makeBackup(
    partsOf((what) => {
      if (what === 'rotation of index') void endRotation(catalog);
    }),
    refused,
    60_000,
  );
  assert.equal((await waiting).leafCount, references.length);
  assert.equal(await readRotation(catalog), undefined);
});
