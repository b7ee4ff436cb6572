/**
 * What validators have signed, and whether one of them signed two things that cannot both be true.
 *
 * A statement claims the root of the log at two sizes: its own and the one before. Two claims of one signer about one size must agree, as the
 * contract's `dispute` has it (contracts/IAnchorLog.sol). Pure; signatures are checked here, so that statements may come from anywhere.
 */
import { recoverHeadSigner, type AttestationSignature, type HeadStatement } from '../../chain/anchor-log.js';
import type { Hex } from '../../chain/chain.js';

/** A statement and a signature over it, for one contract of one chain. */
export interface SignedStatement {
  readonly chainId: number;
  /** Address of the AnchorLog, lower case. */
  readonly contract: Hex;
  readonly statement: HeadStatement;
  readonly signature: AttestationSignature;
}

/** Two statements that one validator signed and that contradict each other at `size`. */
export interface Conflict {
  readonly signer: Hex;
  readonly size: number;
  readonly one: SignedStatement;
  readonly other: SignedStatement;
}

export class Claims {
  /** By contract, signer and size: the first statement that claims a root there. */
  readonly #roots = new Map<string, { readonly root: Hex; readonly by: SignedStatement }>();

  /**
   * Takes a statement in.
   * @returns the conflict with an earlier one; undefined when there is none, or when the signature is not the signer's: then it says nothing.
   */
  add(given: SignedStatement): Conflict | undefined {
    const { chainId, contract, statement, signature } = given;
    const signer = signerOf(given);
    if (signer === undefined || signer !== signature.signer.toLowerCase()) return undefined;
    let conflict: Conflict | undefined;
    for (const [size, root] of [
      [statement.size, statement.root],
      [statement.prevSize, statement.prevRoot],
    ] as const) {
      const key = `${chainId}/${contract}/${signer}/${size}`;
      const known = this.#roots.get(key);
      if (known === undefined) this.#roots.set(key, { root, by: given });
      else if (known.root.toLowerCase() !== root.toLowerCase())
        conflict ??= { signer, size, one: known.by, other: given };
    }
    return conflict;
  }
}

function signerOf({ chainId, contract, statement, signature }: SignedStatement): Hex | undefined {
  try {
    return recoverHeadSigner({ chainId, contract }, statement, signature);
  } catch {
    return undefined;
  }
}
