/**
 * Adapter of the Chain port: any EVM node over JSON-RPC, transactions of type 2 (EIP-1559) signed by a key or an external signer.
 *
 * Every call is bounded in time and tried again on the next endpoint; ChainUnavailable when none answers.
 */
import { Transaction } from 'ethers';
import {
  CallReverted,
  ChainUnavailable,
  type Chain,
  type ChainHead,
  type ChainLog,
  type ChainReceipt,
  type Hex,
} from './chain.js';
import { explainRevert } from './errors.js';
import { JsonRpc, RpcError } from './json-rpc.js';
import { keySigner, type TransactionSigner } from './transaction-signer.js';

/** The Chain port with what deployment and fee management need besides. */
export interface EvmChain extends Chain {
  /** Address of the server's key. */
  readonly address: Hex;

  /** As in the port; `to` undefined creates a contract; `feePercent` above 100 replaces a transaction that is stuck (at least 110). */
  sign(to: Hex | undefined, data: Hex, nonce: number, feePercent?: number): Promise<{ raw: Hex; txHash: Hex }>;

  /** Runtime code at an address; `0x` when there is none. */
  code(address: Hex): Promise<Hex>;

  /** What an account has, in wei. */
  balance(address: Hex): Promise<bigint>;

  /** Address of the contract that a mined transaction created. */
  createdBy(txHash: Hex): Promise<Hex | undefined>;

  /** Waits until a transaction is mined. @throws ChainUnavailable when it is not within `timeoutMs`. */
  mined(txHash: Hex, timeoutMs: number): Promise<ChainReceipt>;
}

/** Where transactions are kept and sent from when the chain itself forgets on a crash (the embedded one). */
export interface TransactionJournal {
  /** Durable, sent and offered to the next block when it resolves. */
  send(raw: Hex): Promise<void>;
}

export interface EthersChainOptions {
  /** One endpoint, or several of the same chain. */
  readonly url: string | readonly string[];
  readonly chainId: number;
  /** Who pays: a private key (32 bytes), or a signer that keeps it. */
  readonly payer: Uint8Array | TransactionSigner;
  /** Bound on one attempt; default 5,000. */
  readonly timeoutMs?: number;
  readonly retries?: number;
  readonly journal?: TransactionJournal;
}

interface RawLog {
  address: Hex;
  topics: Hex[];
  data: Hex;
  blockNumber: Hex;
  transactionHash: Hex;
  logIndex: Hex;
}

interface RawReceipt {
  transactionHash: Hex;
  blockNumber: Hex | null;
  blockHash: Hex;
  status: Hex;
  gasUsed: Hex;
  contractAddress?: Hex | null;
}

/** Opens no connection before the first call. */
export function createEthersChain(options: EthersChainOptions): EvmChain {
  const { chainId, payer, timeoutMs = 5_000, retries, journal } = options;
  const urls = typeof options.url === 'string' ? [options.url] : options.url;
  const rpc = new JsonRpc({ urls, timeoutMs, ...(retries === undefined ? {} : { retries }) });
  const signer = payer instanceof Uint8Array ? keySigner(payer) : payer;
  const { address } = signer;

  async function sign(to: Hex | undefined, data: Hex, nonce: number, feePercent = 100) {
    const request = { from: address, ...(to === undefined ? {} : { to }), data };
    const [gas, block, tip] = await rpc.batch([
      // A replacement is estimated without the pending transaction that it replaces.
      { method: 'eth_estimateGas', params: feePercent > 100 ? [request, 'latest'] : [request] },
      { method: 'eth_getBlockByNumber', params: ['latest', false] },
      { method: 'eth_maxPriorityFeePerGas', params: [] },
    ]);
    if (gas instanceof RpcError) throw reverted(gas);
    if (block instanceof RpcError) throw block;
    const priority = tip instanceof RpcError ? 1_000_000_000n : BigInt(tip as Hex);
    const baseFee = BigInt((block as { baseFeePerGas?: Hex }).baseFeePerGas ?? '0x0');
    const percent = BigInt(feePercent);
    return signer.sign({
      type: 2,
      chainId,
      nonce,
      ...(to === undefined ? {} : { to }),
      data,
      // A quarter of room: storage may have changed between estimate and mining.
      gasLimit: (BigInt(gas as Hex) * 5n) / 4n,
      maxFeePerGas: ((baseFee * 2n + priority) * percent) / 100n,
      maxPriorityFeePerGas: (priority * percent) / 100n,
    });
  }

  async function receipt(txHash: Hex): Promise<ChainReceipt | undefined> {
    const found = await rpc.call<RawReceipt | null>('eth_getTransactionReceipt', txHash);
    if (found === null || found.blockNumber === null) return undefined;
    return {
      txHash,
      blockNumber: Number(found.blockNumber),
      blockHash: found.blockHash,
      status: BigInt(found.status) === 1n ? 'success' : 'reverted',
      gasUsed: BigInt(found.gasUsed),
    };
  }

  return {
    chainId,
    address,
    sign,
    receipt,

    async head(): Promise<ChainHead> {
      const block = await rpc.call<{ number: Hex; hash: Hex; timestamp: Hex }>('eth_getBlockByNumber', 'latest', false);
      return { number: Number(block.number), hash: block.hash, timestamp: Number(block.timestamp) };
    },

    async blockHash(number): Promise<Hex | undefined> {
      const at = `0x${number.toString(16)}`;
      const block = await rpc.call<{ hash: Hex } | null>('eth_getBlockByNumber', at, false);
      return block?.hash;
    },

    async call(to, data, at): Promise<Hex> {
      const block = at === undefined ? 'latest' : `0x${at.toString(16)}`;
      try {
        return await rpc.call<Hex>('eth_call', { to, data }, block);
      } catch (problem) {
        throw problem instanceof RpcError ? reverted(problem) : problem;
      }
    },

    async nextNonce(): Promise<number> {
      return Number(await rpc.call<Hex>('eth_getTransactionCount', address, 'pending'));
    },

    async send(raw): Promise<void> {
      if (journal !== undefined) return journal.send(raw);
      return sendRaw(rpc, raw);
    },

    async logs(from, start, end): Promise<ChainLog[]> {
      const range = { fromBlock: `0x${start.toString(16)}`, toBlock: `0x${end.toString(16)}` };
      const found = await rpc.call<RawLog[]>('eth_getLogs', { address: from, ...range });
      return found.map((log) => ({
        address: log.address,
        topics: log.topics,
        data: log.data,
        blockNumber: Number(log.blockNumber),
        txHash: log.transactionHash,
        logIndex: Number(log.logIndex),
      }));
    },

    async code(at): Promise<Hex> {
      return rpc.call<Hex>('eth_getCode', at, 'latest');
    },

    async balance(of): Promise<bigint> {
      return BigInt(await rpc.call<Hex>('eth_getBalance', of, 'latest'));
    },

    async createdBy(txHash): Promise<Hex | undefined> {
      const found = await rpc.call<RawReceipt | null>('eth_getTransactionReceipt', txHash);
      return found?.contractAddress ?? undefined;
    },

    async mined(txHash, bound): Promise<ChainReceipt> {
      const until = performance.now() + bound;
      for (let waitMs = 2; ; waitMs = Math.min(waitMs * 2, 500)) {
        const found = await receipt(txHash);
        if (found !== undefined) return found;
        if (performance.now() > until) throw new ChainUnavailable(`${txHash} is not mined within ${bound} ms`);
        await new Promise((resolve) => setTimeout(resolve, waitMs));
      }
    },

    close(): Promise<void> {
      signer.close();
      rpc.close();
      return Promise.resolve();
    },
  };
}

/** Sends a signed transaction; one that the node has already (mined or pending) is no error. @throws RpcError when the node refuses it. */
export async function sendRaw(rpc: JsonRpc, raw: Hex): Promise<void> {
  try {
    await rpc.call('eth_sendRawTransaction', raw);
  } catch (problem) {
    if (!(problem instanceof RpcError)) throw problem;
    if (/already (known|imported)|known transaction/i.test(problem.message)) return;
    const hash = Transaction.from(raw).hash;
    if ((await rpc.call('eth_getTransactionByHash', hash)) === null) throw problem;
  }
}

function reverted(problem: RpcError): Error {
  if (problem.data === undefined && !/revert/i.test(problem.message)) return problem;
  const data = problem.data ?? '0x';
  return new CallReverted(data === '0x' ? problem.message : explainRevert(data), data);
}
