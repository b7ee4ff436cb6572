/** The contract's validators: who they are, and a proposal to make them others. */
import { Interface } from 'ethers';
import { artifact } from './artifacts.js';
import type { Hex } from './chain.js';
import type { Contracts } from './deploy.js';
import type { EvmChain } from './ethers-chain.js';

/** Blocks asked for in one `eth_getLogs`. */
const logSpan = 5_000;

/** What the contract's events tell; addresses in lower case. */
export interface ValidatorSet {
  /** Of the present epoch. */
  readonly current: ReadonlySet<Hex>;
  /** Removed on proof that they signed two heads. */
  readonly equivocators: ReadonlySet<Hex>;
}

/** @throws ChainUnavailable */
async function readValidatorSet(
  chain: Pick<EvmChain, 'head' | 'logs'>,
  { anchorLog, fromBlock }: Pick<Contracts, 'anchorLog' | 'fromBlock'>,
): Promise<ValidatorSet> {
  const events = new Interface(JSON.stringify(artifact('AnchorLog').abi));
  const current = new Set<Hex>();
  const equivocators = new Set<Hex>();
  const { number } = await chain.head();
  for (let from = fromBlock; from <= number; from += logSpan) {
    for (const { topics, data } of await chain.logs(anchorLog, from, Math.min(number, from + logSpan - 1))) {
      const event = events.parseLog({ topics: [...topics], data });
      if (event?.name === 'EquivocationProven') equivocators.add(lower(event.args.getValue('validator') as string));
      if (event?.name !== 'ValidatorsChanged') continue;
      for (const address of event.args.getValue('removed') as string[]) current.delete(lower(address));
      for (const address of event.args.getValue('added') as string[]) current.add(lower(address));
    }
  }
  return { current, equivocators };
}

/**
 * Makes `wanted` the contract's validators, without those that were proven to have signed two heads; does nothing when they are. With several members
 * of the network this only proposes it.
 * @param chain with the key of a member.
 */
export async function reconcileValidators(
  chain: EvmChain,
  contracts: Pick<Contracts, 'network' | 'anchorLog' | 'fromBlock'>,
  wanted: readonly Hex[],
  timeoutMs = 60_000,
): Promise<void> {
  const { current, equivocators } = await readValidatorSet(chain, contracts);
  const names = new Set(wanted.map(lower).filter((address) => !equivocators.has(address)));
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

function lower(address: string): Hex {
  return address.toLowerCase() as Hex;
}
