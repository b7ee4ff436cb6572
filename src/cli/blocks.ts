/** `mooring blocks export FILE | import FILE | repair`: the sealed blocks of a stopped server (or of its Kubo nodes) as a CAR. */
import { createReadStream, createWriteStream } from 'node:fs';
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { ConfigError, readConfig } from '../config.js';
import type { BlockStore } from '../ipfs/block-store.js';
import { carOf, importCar } from '../ipfs/car.js';
import { KuboBlockStore } from '../ipfs/kubo-block-store.js';
import { openBlocks } from '../wiring/storage.js';

const usage = `Usage: mooring blocks export FILE   writes every block into a new CAR (version 1)
       mooring blocks import FILE   stores the blocks of a CAR, each checked against its CID
       mooring blocks repair        copies what is on too few Kubo nodes (KUBO_REPLICAS)
Which store: DATA_DIR or KUBO_URLS, as for the server. Blocks are sealed; without the key ring they are noise.`;

/** @returns 0; 1 when something is missing, damaged or away; 2 for wrong arguments. */
export async function run(args: readonly string[]): Promise<number> {
  const [action, file] = args;
  const isKnown = action === 'repair' ? file === undefined : ['export', 'import'].includes(action ?? '') && file;
  if (!isKnown || args.length > 2) {
    console.error(usage);
    return action === '--help' ? 0 : 2;
  }
  let store: BlockStore | undefined;
  try {
    store = await openBlocks(readConfig(process.env).blocks);
    console.log(await work(store, action!, file));
    return 0;
  } catch (error) {
    console.error((error as Error).message);
    return error instanceof ConfigError ? 2 : 1;
  } finally {
    await store?.close();
  }
}

async function work(store: BlockStore, action: string, file: string | undefined): Promise<string> {
  if (action === 'import') return `${await importCar(store, createReadStream(file!))} blocks imported`;
  if (action === 'export') {
    const car = Readable.from(carOf(store.readAll()));
    await pipeline(car, createWriteStream(file!, { flags: 'wx', mode: 0o600, flush: true }));
    return `${(await store.size()).blocks} blocks exported`;
  }
  if (!(store instanceof KuboBlockStore)) throw new Error('repair is for KUBO_URLS: the embedded store has one copy');
  return `${await store.repair.run()} groups copied`;
}
