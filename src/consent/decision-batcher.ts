/** Asks the contract: all questions of one turn of the event loop travel in one view call. */
import { CallReverted, type Chain, type Hex } from '../chain/chain.js';
import {
  type RegistryDecision,
  type RegistryQuestion,
  type RegistryRequest,
  decodeDecisions,
  encodeDecideAll,
} from '../chain/consent-registry.js';

/** All about a patient's policies that goes into a question. */
export type PolicySet = Omit<RegistryQuestion, 'requests'>;

export interface BlockDecision extends RegistryDecision {
  readonly block: number;
}

interface Asked {
  readonly set: PolicySet;
  readonly request: RegistryRequest;
  readonly resolve: (decision: BlockDecision) => void;
  readonly reject: (problem: unknown) => void;
}

/** Requests in one call: evaluation must stay within the gas that nodes allow a call. */
const MAX_REQUESTS = 100;

export class DecisionBatcher {
  readonly #chain: Pick<Chain, 'call'>;
  readonly #registry: Hex;
  readonly #block: () => number | undefined;
  #waiting: Asked[] = [];

  /** @param block at which is decided; undefined: the head. */
  constructor(chain: Pick<Chain, 'call'>, registry: Hex, block: () => number | undefined = () => undefined) {
    this.#chain = chain;
    this.#registry = registry;
    this.#block = block;
  }

  /**
   * @throws CallReverted when the policies are not the active ones (a filing or revocation was mined meanwhile); ChainUnavailable.
   */
  ask(set: PolicySet, request: RegistryRequest): Promise<BlockDecision> {
    return new Promise((resolve, reject) => {
      this.#waiting.push({ set, request, resolve, reject });
      if (this.#waiting.length === 1) setImmediate(() => this.#flush());
    });
  }

  #flush(): void {
    const waiting = this.#waiting;
    this.#waiting = [];
    for (let i = 0; i < waiting.length; i += MAX_REQUESTS) void this.#send(waiting.slice(i, i + MAX_REQUESTS));
  }

  async #send(batch: readonly Asked[]): Promise<void> {
    const groups = new Map<PolicySet, Asked[]>();
    for (const asked of batch) {
      const group = groups.get(asked.set);
      if (group === undefined) groups.set(asked.set, [asked]);
      else group.push(asked);
    }
    const questions = [...groups].map(([set, group]) => ({ ...set, requests: group.map(({ request }) => request) }));
    try {
      const { blockNumber, decisions } = decodeDecisions(
        await this.#chain.call(this.#registry, encodeDecideAll(questions), this.#block()),
      );
      const inOrder = [...groups.values()].flat();
      if (decisions.length !== inOrder.length) throw new RangeError('a decision is missing');
      inOrder.forEach(({ resolve }, i) => resolve({ ...(decisions[i] as RegistryDecision), block: blockNumber }));
    } catch (problem) {
      // One patient's stale policies refuse the whole call: the others are asked again without her.
      if (problem instanceof CallReverted && groups.size > 1) {
        await Promise.all([...groups.values()].map((group) => this.#send(group)));
        return;
      }
      for (const { reject } of batch) reject(problem);
    }
  }
}
