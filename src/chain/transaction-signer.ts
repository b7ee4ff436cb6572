/**
 * Who signs transactions: a key at hand, or a signer that keeps its keys to itself and is asked over JSON-RPC (`eth_signTransaction`: Clef, Web3Signer, a
 * node with unlocked accounts).
 *
 * A signer is not trusted to send what was asked: what it gives back must be the very transaction, signed by the very account.
 */
import { SigningKey, Transaction, type TransactionLike } from 'ethers';
import { ChainUnavailable, type Hex } from './chain.js';
import { JsonRpc, RpcError } from './json-rpc.js';
import { addressOf } from './signing.js';

export interface TransactionSigner {
  /** Of the account that pays; lower case. */
  readonly address: Hex;
  /** The serialized signed transaction, and its hash. @throws ChainUnavailable when the signer does not answer, SignerRefused. */
  sign(transaction: TransactionLike): Promise<{ raw: Hex; txHash: Hex }>;
  close(): void;
}

/** The signer said no, or gave something else than what was asked for. */
export class SignerRefused extends Error {
  override readonly name = 'SignerRefused';
}

/** @param privateKey 32 bytes. */
export function keySigner(privateKey: Uint8Array): TransactionSigner {
  const key = new SigningKey(privateKey);
  return {
    address: addressOf(privateKey),
    sign(wanted) {
      const transaction = Transaction.from(wanted);
      transaction.signature = key.sign(transaction.unsignedHash);
      return Promise.resolve(signedOf(transaction));
    },
    close: () => undefined,
  };
}

/**
 * @param url of the signer's JSON-RPC.
 * @param address of an account that it holds.
 * @param timeoutMs bound on its answer: a person may have to agree; default 60,000.
 */
export function remoteSigner(url: string, address: Hex, timeoutMs = 60_000): TransactionSigner {
  const rpc = new JsonRpc({ urls: [url], timeoutMs, retries: 0 });
  return {
    address,
    async sign(wanted) {
      const transaction = Transaction.from(wanted);
      const signed = readSigned(await ask(rpc, url, requestOf(transaction, address)));
      if (signed.unsignedHash !== transaction.unsignedHash || signed.from?.toLowerCase() !== address)
        throw new SignerRefused(`the signer at ${url} signed another transaction, or with another account`);
      return signedOf(signed);
    },
    close: () => rpc.close(),
  };
}

async function ask(rpc: JsonRpc, url: string, request: object): Promise<unknown> {
  try {
    return await rpc.call<unknown>('eth_signTransaction', request);
  } catch (problem) {
    if (problem instanceof RpcError) throw new SignerRefused(`the signer at ${url} refuses: ${problem.message}`);
    throw new ChainUnavailable(`the signer at ${url} does not answer: ${(problem as Error).message}`);
  }
}

/** Spec: https://ethereum.github.io/execution-apis/ (GenericTransaction). */
function requestOf({ to, data, nonce, gasLimit, maxFeePerGas, maxPriorityFeePerGas, chainId }: Transaction, from: Hex) {
  const hex = (value: bigint | number | null) => `0x${BigInt(value ?? 0).toString(16)}`;
  return {
    type: '0x2',
    from,
    ...(to === null ? {} : { to }),
    // Web3Signer reads `data`, newer nodes `input`; both may stand if they are equal.
    data,
    input: data,
    value: '0x0',
    nonce: hex(nonce),
    gas: hex(gasLimit),
    maxFeePerGas: hex(maxFeePerGas),
    maxPriorityFeePerGas: hex(maxPriorityFeePerGas),
    chainId: hex(chainId),
  };
}

/** Web3Signer answers with the bytes, Clef and geth with `{ raw, tx }`. */
function readSigned(answer: unknown): Transaction {
  const raw = typeof answer === 'string' ? answer : (answer as { raw?: unknown } | null)?.raw;
  try {
    return Transaction.from(raw as string);
  } catch {
    throw new SignerRefused('the signer answers with something that is no signed transaction');
  }
}

function signedOf({ serialized, hash }: Transaction): { raw: Hex; txHash: Hex } {
  return { raw: serialized as Hex, txHash: hash as Hex };
}
