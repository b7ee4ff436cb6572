/** Revert data in words: the contracts' own errors, `Error(string)` and `Panic(uint256)`. */
import { Interface } from 'ethers';
import { artifact } from './artifacts.js';
import type { Hex } from './chain.js';

let interfaces: Interface[] | undefined;

/** E.g. `AnchorLogNotGrown(5, 7)`; the data itself when no contract of ours has such an error. */
export function explainRevert(data: Hex): string {
  interfaces ??= (['AnchorLog', 'ConsentRegistry', 'Network', 'GroupRegistry', 'EmergencyAccess'] as const).map(
    (name) => new Interface(JSON.stringify(artifact(name).abi)),
  );
  for (const known of interfaces) {
    const error = data.length >= 10 ? known.parseError(data) : null;
    if (error !== null) return `${error.name}(${error.args.map(String).join(', ')})`;
  }
  return data === '0x' ? 'reverted without a reason' : `reverted with ${data}`;
}
