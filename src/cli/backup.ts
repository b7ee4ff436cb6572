/** `mooring backup FOLDER`: a backup of this server, also while it serves. `mooring backup --erasures`: the erasure list, on standard output. */
import { readConfig } from '../config.js';
import { openLocalBlockStore } from '../ipfs/local-block-store.js';
import { openBlocks, openCatalog } from '../wiring/storage.js';
import { argumentsOf, command, CommandRefused } from './command.js';
import { erasureList } from './transfer/erasure-list.js';
import { makeBackup } from './transfer/make-backup.js';
import { progressTo } from './transfer/progress.js';

const defaultWait = 600;
const usage = `Usage: mooring backup FOLDER [--wait SECONDS]    writes a backup of DATA_DIR and its stores into FOLDER (new or empty)
       mooring backup --erasures                 prints the list of what was erased, for mooring restore --erasures
The server may be running. While keys are rotated it waits, ${defaultWait} s at most. The key ring is not part of a backup: mooring keys backup.`;

export function run(args: string[]): Promise<number> {
  return command(usage, async () => {
    const parsed = argumentsOf(usage, args, {
      erasures: { type: 'boolean', default: false },
      wait: { type: 'string', default: String(defaultWait) },
    });
    if (parsed === undefined) return 0;
    const config = readConfig(process.env);
    if (parsed.values.erasures) {
      const catalog = await openCatalog(config.catalog);
      try {
        for (const record of await erasureList(catalog)) process.stdout.write(`${JSON.stringify(record)}\n`);
      } finally {
        await catalog.close();
      }
      return 0;
    }
    const [folder, ...others] = parsed.positionals;
    if (folder === undefined || others.length > 0) throw new CommandRefused('one FOLDER is expected');
    const waitMs = Number(parsed.values.wait) * 1_000;
    if (!(waitMs >= 0)) throw new CommandRefused(`--wait is "${parsed.values.wait}"; expected seconds`);
    const startedAt = performance.now();
    const { blocks } = config;
    const manifest = await makeBackup(
      {
        config,
        openCatalog: () => openCatalog(config.catalog),
        openBlocks: () =>
          blocks.kind === 'local' ? openLocalBlockStore(blocks.folder, { isReader: true }) : openBlocks(blocks),
        onProgress: progressTo((text) => process.stderr.write(text), process.stderr.isTTY),
      },
      folder,
      waitMs,
    );
    const seconds = (performance.now() - startedAt) / 1000;
    const size = manifest.files.reduce((sum, { sizeBytes }) => sum + sizeBytes, 0);
    console.log(
      `\nBackup of ${manifest.leafCount} versions up to entry ${manifest.seq}: ${manifest.blocks} blocks, ${(size / 1e6).toFixed(1)} MB, ${seconds.toFixed(1)} s.`,
    );
    return 0;
  });
}
