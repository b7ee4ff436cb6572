/** Chains beside the first one that the same log is anchored on: connected in the background, so that one that is away keeps nobody waiting. */
import path from 'node:path';
import type { Hex } from '../chain/chain.js';
import { deployContracts, ratifyProfileSet, type Contracts, type DeployOptions } from '../chain/deploy.js';
import { createEthersChain, type EvmChain } from '../chain/ethers-chain.js';
import { reconcileValidators } from '../chain/validator-set.js';
import type { Log } from '../base/log.js';
import type { FurtherChain } from '../config.js';
import { readKeyFile } from './payers.js';

export interface ConnectedChain {
  readonly anchorerChain: EvmChain;
  readonly contracts: Contracts;
  ratify(profileSet: Hex): Promise<void>;
}

export interface FurtherChains {
  close(): Promise<void>;
}

type Deployed = Pick<DeployOptions, 'validators' | 'profileSets' | 'organisation'>;

const retryMs = 5_000;

/** @param onReady once for each chain, when its contracts are there. */
export function connectFurtherChains(
  chains: readonly FurtherChain[],
  folder: string,
  deployed: Deployed,
  log: Log,
  onReady: (chain: ConnectedChain) => void,
): FurtherChains {
  const ended = new AbortController();
  const opened: EvmChain[] = [];
  const loops = chains.map(async (further) => {
    const { url, chainId } = further;
    // One key deploys, ratifies and anchors: the anchorer's loop alone uses it once the contracts are there.
    const chain = createEthersChain({ url, chainId, payer: readKeyFile(further.keyFile) });
    opened.push(chain);
    let isAway = false;
    while (!ended.signal.aborted) {
      try {
        const file = path.join(folder, `contracts-${chainId}.json`);
        const contracts = await deployContracts({ ...deployed, chain, file });
        await reconcileValidators(chain, contracts, deployed.validators);
        if (isAway)
          log.write({ event: 'dependency', name: 'chain', isAway: false, reason: `chain ${chainId} is back` });
        if (!ended.signal.aborted)
          onReady({ anchorerChain: chain, contracts, ratify: (digest) => ratifyProfileSet(chain, contracts, digest) });
        return;
      } catch (error) {
        if (!isAway)
          log.write({ event: 'dependency', name: 'chain', isAway: true, reason: `chain ${chainId}: ${String(error)}` });
        isAway = true;
        await sleep(retryMs, ended.signal);
      }
    }
  });
  return {
    async close() {
      ended.abort();
      await Promise.all(loops);
      await Promise.all(opened.map((chain) => chain.close()));
    },
  };
}

function sleep(ms: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    const timer = setTimeout(done, ms);
    function done() {
      clearTimeout(timer);
      signal.removeEventListener('abort', done);
      resolve();
    }
    signal.addEventListener('abort', done);
  });
}
