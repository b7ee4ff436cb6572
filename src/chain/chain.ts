/**
 * Port: an EVM chain, as far as this server needs one.
 *
 * Durability and consistency: the chain's own; a transaction counts only after `confirmations` blocks.
 * Concurrency: reads any number; sending is one at a time per key (the outbox of the anchorer and of the publisher see to it).
 * Trust: public. Only hashes, counts, public keys and endpoints of organisations go there.
 */

/** 0x-prefixed hexadecimal text. */
export type Hex = `0x${string}`;

export interface ChainHead {
  readonly number: number;
  readonly hash: Hex;
  /** Seconds since 1970, as the block says. */
  readonly timestamp: number;
}

export interface ChainReceipt {
  readonly txHash: Hex;
  readonly blockNumber: number;
  readonly blockHash: Hex;
  readonly status: 'success' | 'reverted';
  readonly gasUsed: bigint;
}

export interface ChainLog {
  readonly address: Hex;
  readonly topics: readonly Hex[];
  readonly data: Hex;
  readonly blockNumber: number;
  readonly txHash: Hex;
  readonly logIndex: number;
}

export interface Chain {
  readonly chainId: number;

  /** @throws ChainUnavailable, as every method here does when no endpoint answers within its bound. */
  head(): Promise<ChainHead>;

  /** Hash of the block with this number on the chain as it is now; undefined when there is none. */
  blockHash(number: number): Promise<Hex | undefined>;

  /** `eth_call` at a block (number) or the head. @throws CallReverted with the revert data. */
  call(to: Hex, data: Hex, at?: number): Promise<Hex>;

  /** Signs a transaction with the server's key: stored by the caller before it is sent, so that a crash cannot send two. */
  sign(to: Hex, data: Hex, nonce: number): Promise<{ raw: Hex; txHash: Hex }>;

  /** Next nonce of the server's key, pending transactions included. */
  nextNonce(): Promise<number>;

  /** Sends a signed transaction; sending the same one again is no error. */
  send(raw: Hex): Promise<void>;

  /** Undefined while it is not mined. */
  receipt(txHash: Hex): Promise<ChainReceipt | undefined>;

  /** Logs of `address` in blocks [from, to]. */
  logs(address: Hex, from: number, to: number): Promise<ChainLog[]>;

  close(): Promise<void>;
}

export class ChainUnavailable extends Error {
  override readonly name = 'ChainUnavailable';
}

export class CallReverted extends Error {
  override readonly name = 'CallReverted';
  constructor(
    message: string,
    readonly data: Hex,
  ) {
    super(message);
  }
}
