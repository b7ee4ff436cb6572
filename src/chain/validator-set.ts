/** The contract's validators: who they are, and a proposal to make them others. */
import { Interface } from 'ethers';
import { artifact } from './artifacts.js';
import type { Hex } from './chain.js';
import type { Contracts } from './deploy.js';
import type { EvmChain } from './ethers-chain.js';

/** Blocks asked for in one `eth_getLogs`. */
const logSpan = 5_000;

/** Validators of the present epoch, lower case, by the contract's events. @throws ChainUnavailable */
export async function currentValidators(
  chain: Pick<EvmChain, 'head' | 'logs'>,
  { anchorLog, fromBlock }: Pick<Contracts, 'anchorLog' | 'fromBlock'>,
): Promise<Set<Hex>> {
  const events = new Interface(JSON.stringify(artifact('AnchorLog').abi));
  const found = new Set<Hex>();
  const { number } = await chain.head();
  for (let from = fromBlock; from <= number; from += logSpan) {
    for (const { topics, data } of await chain.logs(anchorLog, from, Math.min(number, from + logSpan - 1))) {
      const event = events.parseLog({ topics: [...topics], data });
      if (event?.name !== 'ValidatorsChanged') continue;
      for (const address of event.args.getValue('removed') as string[]) found.delete(address.toLowerCase() as Hex);
      for (const address of event.args.getValue('added') as string[]) found.add(address.toLowerCase() as Hex);
    }
  }
  return found;
}

/**
 * Makes `wanted` the contract's validators; does nothing when they are. With several members of the network this only proposes it.
 * @param chain with the key of a member.
 */
export async function reconcileValidators(
  chain: EvmChain,
  contracts: Pick<Contracts, 'network' | 'anchorLog' | 'fromBlock'>,
  wanted: readonly Hex[],
  timeoutMs = 60_000,
): Promise<void> {
  const current = await currentValidators(chain, contracts);
  const names = new Set(wanted.map((address) => address.toLowerCase() as Hex));
  const added = [...names].filter((address) => !current.has(address));
  const removed = [...current].filter((address) => !names.has(address));
  if (added.length + removed.length === 0) return;
  const interfaceOf = (name: 'AnchorLog' | 'Network') => new Interface(JSON.stringify(artifact(name).abi));
  const action = interfaceOf('AnchorLog').encodeFunctionData('changeValidators', [added, removed]);
  const proposal = interfaceOf('Network').encodeFunctionData('propose', [contracts.anchorLog, action]) as Hex;
  const { raw, txHash } = await chain.sign(contracts.network, proposal, await chain.nextNonce());
  await chain.send(raw);
  const receipt = await chain.mined(txHash, timeoutMs);
  if (receipt.status !== 'success') throw new Error(`the change of validators reverted in ${txHash}`);
}
