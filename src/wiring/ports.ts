/** Room between the parts of a server and its ports: the table of faults puts failing steps there (test/faults). */
import type { EvmChain } from '../chain/ethers-chain.js';
import type { AccessLog } from '../commit/access-log.js';
import type { Catalog } from '../commit/catalog.js';
import type { BlockStore } from '../ipfs/block-store.js';
import type { SmartStore } from '../smart/store/smart-store.js';
import type { KeyRing } from '../vault/key-ring.js';

/** Each gets the opened adapter of a port, and gives what the server uses in its place; absent: the adapter itself. */
export interface PortsBetween {
  readonly blocks?: (real: BlockStore) => BlockStore;
  readonly catalog?: (real: Catalog) => Catalog;
  readonly accessLog?: (real: AccessLog) => AccessLog;
  readonly keyRing?: (real: KeyRing) => KeyRing;
  /** Once for each key that sends. */
  readonly chain?: (real: EvmChain) => EvmChain;
  readonly smartStore?: (real: SmartStore) => SmartStore;
}
