/** Opens what keeps things: keys, catalog, blocks, access log; and the parts that stand directly on them. */
import { randomUUID } from 'node:crypto';
import { mkdir, readFile, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { HeaderCodec } from '../commit/header.js';
import { Records } from '../commit/records.js';
import { openFileAccessLog } from '../commit/file-access-log.js';
import { openSqliteCatalog } from '../commit/sqlite/sqlite-catalog.js';
import type { AccessLog } from '../commit/access-log.js';
import type { Catalog } from '../commit/catalog.js';
import type { BlocksConfig, CatalogConfig, Config } from '../config.js';
import type { BlockStore } from '../ipfs/block-store.js';
import { openLocalBlockStore } from '../ipfs/local-block-store.js';
import { Blinder } from '../vault/blinder.js';
import { IndexBlinder } from '../vault/index-blinder.js';
import { indexKeysOf } from '../commit/rotate-index.js';
import { openConfiguredRing } from './ring-form.js';
import type { KeyRing } from '../vault/key-ring.js';
import { Names } from '../vault/names.js';
import { Vault } from '../vault/vault.js';
import { notedAccessHead } from './access-head.js';
import type { PortsBetween } from './ports.js';
import { lockFolder, type FolderLock } from '../base/folder-lock.js';

export interface Storage {
  readonly keyRing: KeyRing;
  readonly catalog: Catalog;
  readonly blocks: BlockStore;
  readonly accessLog: AccessLog;
  readonly vault: Vault;
  readonly blinder: IndexBlinder;
  readonly names: Names;
  readonly headers: HeaderCodec;
  readonly records: Records;
  /** Names this server among those that share its catalog; absent where it is alone. */
  readonly server?: string;
  close(): Promise<void>;
}

/** @throws FolderLocked when another process serves DATA_DIR; the ports' own errors when something cannot be opened. */
export async function openStorage(config: Config, between: PortsBetween = {}): Promise<Storage> {
  await mkdir(config.dataDir, { recursive: true, mode: 0o700 });
  const lock = lockFolder(config.dataDir);
  try {
    return await openParts(config, lock, between);
  } catch (error) {
    lock.release();
    throw error;
  }
}

async function openParts(config: Config, lock: FolderLock, between: PortsBetween): Promise<Storage> {
  const ring = await openConfiguredRing(config);
  const keyRing = between.keyRing?.(ring) ?? ring;
  const [realCatalog, realBlocks] = await Promise.all([openCatalog(config.catalog), openBlocks(config.blocks)]);
  const catalog = between.catalog?.(realCatalog) ?? realCatalog;
  const blocks = between.blocks?.(realBlocks) ?? realBlocks;
  const server = catalog.locks === undefined ? undefined : await serverName(config.dataDir);
  let accessLog: AccessLog;
  try {
    const noted = await notedAccessHead(catalog, keyRing, server);
    const folder = path.join(config.dataDir, 'access');
    const opened = await openFileAccessLog(folder, keyRing.derive('access'), undefined, noted);
    accessLog = between.accessLog?.(opened) ?? opened;
  } catch (error) {
    await Promise.all([blocks.close(), catalog.close()]);
    throw error;
  }
  const nameBlinder = new Blinder(keyRing.derive('names'));
  const blinder = new IndexBlinder(keyRing, nameBlinder, await indexKeysOf(catalog));
  const headers = new HeaderCodec(keyRing.derive('header'));
  const vault = new Vault({ keyRing, storedKey: (compartment) => catalog.compartmentKey(compartment) });
  return {
    keyRing,
    catalog,
    blocks,
    accessLog,
    vault,
    blinder,
    names: new Names(nameBlinder),
    headers,
    records: new Records({ blocks, vault, headers }),
    async close() {
      const closed = await Promise.allSettled([accessLog.close(), blocks.close(), catalog.close()]);
      lock.release();
      for (const one of closed) if (one.status === 'rejected') throw one.reason;
    },
  };
}

/** A name that stays with DATA_DIR. */
async function serverName(dataDir: string): Promise<string> {
  const file = path.join(dataDir, 'server');
  try {
    return (await readFile(file, 'utf8')).trim();
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error;
    const name = randomUUID();
    await writeFile(file, `${name}\n`, { mode: 0o600 });
    return name;
  }
}

/** The driver of a real engine is loaded only where it is used: they cost start-up time and memory. @throws CatalogUnavailable */
export async function openCatalog(config: CatalogConfig): Promise<Catalog> {
  if (config.kind === 'sqlite') return openSqliteCatalog(config.file);
  const { openMongoCatalog } = await import('../commit/mongo/mongo-catalog.js');
  return openMongoCatalog(config);
}

/** @throws BlockStoreUnavailable */
export async function openBlocks(config: BlocksConfig): Promise<BlockStore> {
  if (config.kind === 'local') return openLocalBlockStore(config.folder);
  const { openKuboBlockStore } = await import('../ipfs/kubo-block-store.js');
  return openKuboBlockStore(config);
}
