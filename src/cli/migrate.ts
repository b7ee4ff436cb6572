/** `mooring migrate`: moves everything from the engines of this configuration to others, and checks it record by record. */
import { readConfig, type Config } from '../config.js';
import { lockFolder } from '../base/folder-lock.js';
import { openBlocks, openCatalog } from '../wiring/storage.js';
import { argumentsOf, command, CommandRefused } from './command.js';
import { ArchiveBroken } from './transfer/archive.js';
import { openSmartStore } from '../wiring/smart.js';
import { copyAccounts } from './transfer/accounts.js';
import { compare, moveAll } from './transfer/copy.js';
import { progressTo } from './transfer/progress.js';

const usage = `Usage: mooring migrate [--verify-only]
From the catalog (with accounts and apps) and the blocks of this configuration to those that TARGET_... variables name, the server stopped:
  TARGET_MONGODB_URL, TARGET_MONGODB_DATABASE, TARGET_KUBO_URLS, TARGET_KUBO_REPLICAS    MongoDB and Kubo instead of the embedded engines
  TARGET_DATA_DIR                                                                        embedded engines below another folder
What was moved already is passed over, so an interrupted migration is simply started again. Keys, access log and chain stay where they are.`;

/** Variables of engines; the rest of the configuration is the same for both. */
const engineNames = /^(?:MONGODB_|KUBO_)/;

export function run(args: string[]): Promise<number> {
  return command(usage, async () => {
    const parsed = argumentsOf(usage, args, { 'verify-only': { type: 'boolean', default: false } });
    if (parsed === undefined) return 0;
    const source = readConfig(process.env);
    const target = targetOf(process.env, source);
    const lock = lockFolder(source.dataDir);
    try {
      return await migrate(source, target, parsed.values['verify-only']);
    } finally {
      lock.release();
    }
  });
}

function targetOf(env: NodeJS.ProcessEnv, source: Config): Config {
  const given = Object.entries(env).filter(([name]) => name.startsWith('TARGET_'));
  if (given.length === 0) throw new CommandRefused('no TARGET_ variable is set: where to?');
  const kept = Object.entries(env).filter(([name]) => !engineNames.test(name) && !name.startsWith('TARGET_'));
  const target = readConfig(Object.fromEntries([...kept, ...given.map(([name, value]) => [name.slice(7), value])]));
  const isSame = (part: 'catalog' | 'blocks') => JSON.stringify(source[part]) === JSON.stringify(target[part]);
  if (isSame('catalog') && isSame('blocks')) throw new CommandRefused('source and target are the same');
  return target;
}

async function migrate(source: Config, target: Config, isCheckOnly: boolean): Promise<number> {
  const onProgress = progressTo((text) => process.stderr.write(text), process.stderr.isTTY);
  const sameCatalog = JSON.stringify(source.catalog) === JSON.stringify(target.catalog);
  const sameBlocks = JSON.stringify(source.blocks) === JSON.stringify(target.blocks);
  const from = { catalog: await openCatalog(source.catalog), blocks: await openBlocks(source.blocks) };
  const to = {
    catalog: sameCatalog ? from.catalog : await openCatalog(target.catalog),
    blocks: sameBlocks ? from.blocks : await openBlocks(target.blocks),
  };
  try {
    const startedAt = performance.now();
    if (!isCheckOnly) {
      await copySmart(source, target);
      await moveAll(from, to, onProgress);
    }
    const seconds = (performance.now() - startedAt) / 1000;
    const { versions, problem } = await compare(from.catalog, to.catalog, to.blocks, onProgress);
    if (problem !== undefined) throw new ArchiveBroken(`${problem}; ${versions} versions before it fit`);
    const rate = isCheckOnly ? '' : `, moved in ${seconds.toFixed(1)} s (${Math.round(versions / seconds)}/s)`;
    console.log(`\n${versions} versions up to entry ${to.catalog.head().seq}${rate}; each was compared and fits.`);
    return 0;
  } finally {
    await Promise.all([from.catalog.close(), from.blocks.close()]);
    if (!sameCatalog) await to.catalog.close();
    if (!sameBlocks) await to.blocks.close();
  }
}

/** Accounts and tokens go where the catalog goes. */
async function copySmart(source: Config, target: Config): Promise<void> {
  if (JSON.stringify(source.smart.store) === JSON.stringify(target.smart.store)) return;
  const from = await openSmartStore(source.smart.store);
  const to = await openSmartStore(target.smart.store);
  try {
    await copyAccounts(from, to);
  } finally {
    await Promise.all([from.close(), to.close()]);
  }
}
