/** Sends single calls with the key of a relay, beside the loops that use the same key. */
import { type Chain, type ChainReceipt, ChainUnavailable, type Hex } from './chain.js';

export type RelayChain = Pick<Chain, 'sign' | 'nextNonce' | 'send' | 'receipt'>;

const ATTEMPTS = 5;

/**
 * Sends a call and waits until it is mined. A nonce that another sender of the key took meanwhile is tried again with the next one.
 * @throws CallReverted when the contract refuses it, ChainUnavailable when it is not mined within `timeoutMs`.
 */
export async function relayCall(chain: RelayChain, to: Hex, data: Hex, timeoutMs = 30_000): Promise<ChainReceipt> {
  const end = Date.now() + timeoutMs;
  for (let attempt = 1; ; attempt += 1) {
    const { raw, txHash } = await chain.sign(to, data, await chain.nextNonce());
    const isSent = await chain.send(raw).then(
      () => true,
      (problem: unknown) => {
        if (problem instanceof ChainUnavailable || attempt === ATTEMPTS) throw problem;
        return false;
      },
    );
    if (!isSent) continue;
    for (let waitMs = 2; Date.now() < end; waitMs = Math.min(2 * waitMs, 500)) {
      const receipt = await chain.receipt(txHash);
      if (receipt?.status === 'reverted') throw new ChainUnavailable(`transaction ${txHash} reverted`);
      if (receipt !== undefined) return receipt;
      await new Promise((resolve) => setTimeout(resolve, waitMs));
    }
    throw new ChainUnavailable(`transaction ${txHash} was not mined within ${timeoutMs} ms`);
  }
}
