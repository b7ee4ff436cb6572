/** Compiled contracts (dist/contracts, made by tools/contracts.mjs). */
import { readFileSync } from 'node:fs';
import type { Hex } from './chain.js';

export interface Artifact {
  /** Contract ABI as JSON. */
  readonly abi: readonly { readonly type: string; readonly name?: string; readonly inputs?: readonly AbiInput[] }[];
  readonly bytecode: Hex;
  readonly deployedBytecode: Hex;
  /** Byte ranges of the deployed code that hold immutable values. */
  readonly immutables: readonly { readonly start: number; readonly length: number }[];
}

export interface AbiInput {
  readonly name: string;
  readonly type: string;
  readonly components?: readonly AbiInput[];
}

export type ContractName =
  'Network' | 'AnchorLog' | 'ConsentRegistry' | 'GroupRegistry' | 'EmergencyAccess' | 'PasskeyVerifier';

const loaded = new Map<string, Artifact>();

/** @throws Error when the contracts were not built. */
export function artifact(name: ContractName): Artifact {
  let found = loaded.get(name);
  if (found === undefined) {
    const file = new URL(`../../contracts/${name}.json`, import.meta.url);
    found = JSON.parse(readFileSync(file, 'utf8')) as Artifact;
    loaded.set(name, found);
  }
  return found;
}
