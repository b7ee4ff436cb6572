/** `mooring restore FOLDER`: brings a backup back on an empty DATA_DIR. */
import { readFile } from 'node:fs/promises';
import { readConfig, type Config } from '../config.js';
import { readRing } from '../vault/file-key-ring.js';
import { ringForm } from '../wiring/ring-form.js';
import { openSmartStore } from '../wiring/smart.js';
import { openBlocks, openCatalog, openStorage } from '../wiring/storage.js';
import { argumentsOf, command, CommandRefused } from './command.js';
import { accountsName, readAccounts } from './transfer/accounts.js';
import { ArchiveBroken, type Manifest } from './transfer/archive.js';
import { parseErasureList } from './transfer/erasure-list.js';
import { progressTo } from './transfer/progress.js';
import { restoreFiles, restoreStores } from './transfer/restore-backup.js';

const usage = `Usage: mooring restore FOLDER [--until SEQ] [--erasures FILE]
  --until     the newest entry to bring back: a point in time; the restored server begins on a chain of its own
  --erasures  list of what was erased after the backup (mooring backup --erasures): it does not come back
The stores that the configuration names must be empty, and the key ring in place (mooring keys restore).`;

export function run(args: string[]): Promise<number> {
  return command(usage, async () => {
    const parsed = argumentsOf(usage, args, { until: { type: 'string' }, erasures: { type: 'string' } });
    if (parsed === undefined) return 0;
    const [folder, ...others] = parsed.positionals;
    const { until: untilText, erasures: list } = parsed.values;
    if (folder === undefined || others.length > 0) throw new CommandRefused('one FOLDER is expected');
    const until = untilText === undefined ? undefined : Number(untilText);
    if (until !== undefined && !Number.isSafeInteger(until)) throw new CommandRefused(`--until is "${untilText}"`);
    const erasures = list === undefined ? [] : parseErasureList(await readFile(list, 'utf8'));
    const config = readConfig(process.env);
    const ring = await readRing(config.keyRing.file, await ringForm(config.keyRing));
    if (ring === undefined) {
      throw new ArchiveBroken(
        `there is no key ring at ${config.keyRing.file}: give it back first with mooring keys restore`,
      );
    }
    await requireEmpty(config);
    const startedAt = performance.now();
    const manifest = await restoreFiles(folder, config.dataDir, until);
    const storage = await openStorage(config);
    try {
      await restoreAccounts(folder, manifest, config);
      const restored = await restoreStores(folder, manifest, storage, {
        until,
        erasures,
        onProgress: progressTo((text) => process.stderr.write(text), process.stderr.isTTY),
      });
      const seconds = ((performance.now() - startedAt) / 1000).toFixed(1);
      console.log(
        `\nRestored ${restored.leafCount} versions up to entry ${restored.seq}, ${restored.blocks} blocks, ${seconds} s; digests, blocks and root fit.` +
          (erasures.length > 0 ? ` ${restored.erasedVersions} versions of the erasure list are erased again.` : ''),
      );
    } finally {
      await storage.close();
    }
    return 0;
  });
}

async function requireEmpty(config: Config): Promise<void> {
  const catalog = await openCatalog(config.catalog);
  const { seq } = catalog.head();
  await catalog.close();
  const smart = await openSmartStore(config.smart.store);
  const kinds = await smart.kinds();
  await smart.close();
  if (kinds.length > 0)
    throw new ArchiveBroken('accounts are there already: a restore needs a new DATA_DIR (or database)');
  if (seq > 0) throw new ArchiveBroken('the catalog is not empty: a restore needs a new DATA_DIR (or database)');
  if (config.blocks.kind !== 'local') return;
  const blocks = await openBlocks(config.blocks);
  const { blocks: held } = await blocks.size();
  await blocks.close();
  if (held > 0) throw new ArchiveBroken('the block store is not empty: a restore needs a new DATA_DIR');
}

/** Into whichever engine keeps them now. Backups of before had the file of SQLite itself, which restoreFiles has put in its place. */
async function restoreAccounts(folder: string, manifest: Manifest, config: Config): Promise<void> {
  if (!manifest.files.some(({ name }) => name === accountsName)) return;
  const store = await openSmartStore(config.smart.store);
  try {
    await readAccounts(folder, store);
  } finally {
    await store.close();
  }
}
