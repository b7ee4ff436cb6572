/**
 * The embedded chain: anvil as a child of this process, with its state on disk.
 *
 * Durability: anvil keeps its state in memory; `state.json` is a snapshot of the whole chain, and `journal.ndjson` has every transaction
 * since, on disk before anvil gets it. Blocks are made one for each transaction, at the time that its line says, so replaying the journal
 * over the snapshot makes the same blocks. Start-up always replays: a clean stop and `kill -9` are the same path.
 * What others send to the node directly is mined too, but only the next snapshot makes it durable.
 */
import { Transaction } from 'ethers';
import { mkdir, open, rename, rm, stat, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { promisify } from 'node:util';
import { gunzip } from 'node:zlib';
import { type AnvilProcess, startAnvil } from './anvil-process.js';
import { ChainUnavailable, type Hex } from './chain.js';
import { type TransactionJournal, sendRaw } from './ethers-chain.js';
import { JsonRpc, RpcError } from './json-rpc.js';
import { JournalFile, type JournalLine } from './transaction-journal.js';

export interface EmbeddedChainOptions {
  /** DATA_DIR/chain; made when it is missing. */
  readonly folder: string;
  readonly chainId?: number;
  /** Loopback port; 0 (the default) takes a free one. `endpoint.json` in the folder says which. */
  readonly port?: number;
  /** Bound on anvil's start; default 5,000 (it takes about 40 ms). */
  readonly startTimeoutMs?: number;
  /** A snapshot is made when the journal has so many lines; default 500. */
  readonly snapshotEvery?: number;
  /** Told when anvil ended without being asked to, and when it is back. */
  readonly onEvent?: (event: 'chain-ended' | 'chain-restarted') => void;
}

export interface EmbeddedChain {
  /** Stays the same as long as this object lives. */
  readonly url: string;
  readonly chainId: number;
  /** Give it to `createEthersChain`, so that what it sends is journalled. */
  readonly journal: TransactionJournal;
  /** Gives the accounts so much that they never run out. */
  fund(addresses: readonly Hex[]): Promise<void>;
  /** Takes a snapshot and ends anvil. */
  stop(): Promise<void>;
}

/** 2020-09-13: before any clock of today, and the same everywhere, so that replayed blocks are the same. */
const GENESIS_TIME = 1_600_000_000;
const BALANCE = `0x${(10n ** 27n).toString(16)}`;

/** Starts the chain, or starts it again where it was. @throws ChainUnavailable when anvil does not start. */
export async function startEmbeddedChain(options: EmbeddedChainOptions): Promise<EmbeddedChain> {
  await mkdir(options.folder, { recursive: true, mode: 0o700 });
  const chain = new EmbeddedAnvil(options);
  await chain.start();
  return chain;
}

class EmbeddedAnvil implements EmbeddedChain {
  readonly chainId: number;
  readonly journal: TransactionJournal;
  readonly #options: EmbeddedChainOptions;
  readonly #stateFile: string;
  #anvil!: AnvilProcess;
  #rpc!: JsonRpc;
  #journalFile!: JournalFile;
  #lastTime = GENESIS_TIME;
  #isStopping = false;
  /** Tail of the queue of everything that changes the chain: one at a time, in order. */
  #tail: Promise<unknown> = Promise.resolve();

  constructor(options: EmbeddedChainOptions) {
    this.#options = options;
    this.chainId = options.chainId ?? 31337;
    this.#stateFile = path.join(options.folder, 'state.json');
    this.journal = { send: (raw) => this.#inTurn(() => this.#send(raw)) };
  }

  get url(): string {
    return `http://127.0.0.1:${this.#anvil.port}`;
  }

  async start(): Promise<void> {
    const { file, lines } = await JournalFile.open(path.join(this.#options.folder, 'journal.ndjson'));
    this.#journalFile = file;
    await this.#launch(this.#options.port ?? 0, lines);
    const endpoint = JSON.stringify({ url: this.url, chainId: this.chainId, pid: process.pid });
    await writeFile(path.join(this.#options.folder, 'endpoint.json'), endpoint, { mode: 0o600 });
  }

  fund(addresses: readonly Hex[]): Promise<void> {
    return this.#inTurn(async () => {
      const balances = await this.#rpc.batch(
        addresses.map((address) => ({ method: 'eth_getBalance', params: [address, 'latest'] })),
      );
      const poor = addresses.filter((_, i) => BigInt(balances[i] as Hex) < BigInt(BALANCE) / 2n);
      if (poor.length === 0) return;
      const line: JournalLine = { kind: 'fund', addresses: poor };
      await this.#journalFile.append(line);
      await this.#deliver(line);
    });
  }

  async stop(): Promise<void> {
    this.#isStopping = true;
    await this.#inTurn(async () => {
      // Without a snapshot nothing is lost: the next start replays the journal.
      await this.#snapshot().catch(() => undefined);
      this.#rpc.close();
      await this.#anvil.kill();
      await this.#journalFile.close();
      await rm(path.join(this.#options.folder, 'endpoint.json'), { force: true });
    });
  }

  async #launch(port: number, lines: readonly JournalLine[]): Promise<void> {
    const hasSnapshot = await stat(this.#stateFile).then(
      () => true,
      () => false,
    );
    const args = ['--chain-id', String(this.chainId), '--accounts', '0', '--timestamp', String(GENESIS_TIME)];
    const state = hasSnapshot ? ['--load-state', this.#stateFile] : [];
    this.#anvil = await startAnvil(port, [...args, ...state], this.#options.startTimeoutMs ?? 5_000);
    this.#rpc = new JsonRpc({ urls: [this.url], timeoutMs: 10_000, retries: 0 });
    void this.#anvil.exited.then(() => this.#restart());
    await this.#replay(lines);
    const block = await this.#rpc.call<{ timestamp: Hex }>('eth_getBlockByNumber', 'latest', false);
    this.#lastTime = Number(block.timestamp);
  }

  async #replay(lines: readonly JournalLine[]): Promise<void> {
    for (const line of lines) {
      if (line.kind === 'transaction' && (await this.#isMined(line.raw))) continue;
      await this.#deliver(line).catch((problem: unknown) => {
        // Refused the first time too.
        if (!(problem instanceof RpcError)) throw problem;
      });
    }
  }

  /** Anvil ended by itself or by a stranger: the same chain comes back on the same port. */
  async #restart(): Promise<void> {
    if (this.#isStopping) return;
    this.#options.onEvent?.('chain-ended');
    const { port } = this.#anvil;
    this.#rpc.close();
    await this.#inTurn(async () => {
      const { file, lines } = await JournalFile.open(path.join(this.#options.folder, 'journal.ndjson'));
      await file.close();
      for (let waitMs = 50; !this.#isStopping; waitMs = Math.min(2 * waitMs, 2_000)) {
        try {
          await this.#launch(port, lines);
          this.#options.onEvent?.('chain-restarted');
          return;
        } catch {
          await new Promise((resolve) => setTimeout(resolve, waitMs));
        }
      }
    });
  }

  async #send(raw: Hex): Promise<void> {
    if (await this.#isMined(raw)) return;
    const time = Math.max(this.#lastTime, Math.floor(Date.now() / 1000));
    this.#lastTime = time;
    const line: JournalLine = { kind: 'transaction', time, raw };
    await this.#journalFile.append(line);
    await this.#deliver(line);
    if (this.#journalFile.lineCount >= (this.#options.snapshotEvery ?? 500)) await this.#snapshot();
  }

  /** Hands a line to anvil and waits for its block, so that the next line gets a block of its own. */
  async #deliver(line: JournalLine): Promise<void> {
    if (line.kind === 'fund') {
      await this.#rpc.batch(
        line.addresses.map((address) => ({ method: 'anvil_setBalance', params: [address, BALANCE] })),
      );
      return;
    }
    await this.#rpc.batch([{ method: 'evm_setNextBlockTimestamp', params: [line.time] }]);
    await sendRaw(this.#rpc, line.raw);
    // A transaction whose nonce is ahead waits in the pool; nobody waits for it here.
    for (let attempt = 0; attempt < 50 && !(await this.#isMined(line.raw)); attempt += 1) {
      await new Promise((resolve) => setTimeout(resolve, attempt < 10 ? 1 : 5));
    }
  }

  async #isMined(raw: Hex): Promise<boolean> {
    return (await this.#rpc.call('eth_getTransactionReceipt', Transaction.from(raw).hash)) !== null;
  }

  /** Replaces the snapshot, then empties the journal: a crash in between replays lines that the snapshot has, which are skipped. */
  async #snapshot(): Promise<void> {
    const dump = await this.#rpc.call<Hex>('anvil_dumpState', false);
    const state = await promisify(gunzip)(Buffer.from(dump.slice(2), 'hex'));
    const temporary = `${this.#stateFile}.new`;
    const handle = await open(temporary, 'w', 0o600);
    try {
      await handle.writeFile(state);
      await handle.sync();
    } finally {
      await handle.close();
    }
    await rename(temporary, this.#stateFile);
    await this.#journalFile.clear();
  }

  #inTurn<T>(task: () => Promise<T>): Promise<T> {
    const result = this.#tail.then(task);
    this.#tail = result.catch(() => undefined);
    return result.catch((problem: unknown) => {
      throw problem instanceof TypeError ? new ChainUnavailable(problem.message) : problem;
    });
  }
}
