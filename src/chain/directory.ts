/** The directory of organisations on the chain (contracts/INetwork.sol): endpoints and public keys. */
import type { JsonWebKey } from 'node:crypto';
import { Interface } from 'ethers';
import { sha256, toHex } from '../base/bytes.js';
import { artifact } from './artifacts.js';
import type { Chain, Hex } from './chain.js';

export interface DirectoryEntry {
  /** Base URL of the FHIR endpoint. */
  readonly baseUrl: string;
  /** Keys of the JWK set (RFC 7517); empty when the organisation published none that can be read. */
  readonly keys: readonly JsonWebKey[];
  readonly relay: Hex;
  readonly status: 'active' | 'suspended';
}

let network: Interface | undefined;
const networkAbi = () => (network ??= new Interface(JSON.stringify(artifact('Network').abi)));

/** What the directory calls an organisation: SHA-256 of its identifier. */
function organisationName(identifier: string): Hex {
  return `0x${toHex(sha256(Buffer.from(identifier)))}`;
}

/** The entry of an organisation; undefined when there is none. @throws ChainUnavailable */
export async function directoryEntry(
  chain: Pick<Chain, 'call'>,
  contract: Hex,
  identifier: string,
): Promise<DirectoryEntry | undefined> {
  const data = networkAbi().encodeFunctionData('organisationOf', [organisationName(identifier)]) as Hex;
  const [entry] = networkAbi().decodeFunctionResult('organisationOf', await chain.call(contract, data)) as unknown as [
    { baseUrl: string; publicKeys: string; relay: string; status: bigint },
  ];
  if (entry.status === 0n) return undefined;
  return {
    baseUrl: entry.baseUrl,
    keys: keysOf(Buffer.from(entry.publicKeys.slice(2), 'hex').toString('utf8')),
    relay: entry.relay.toLowerCase() as Hex,
    status: entry.status === 1n ? 'active' : 'suspended',
  };
}

/** Calldata of `propose` for a changed entry. @param keys the organisation's public keys. */
export function encodeSetOrganisation(
  contract: Hex,
  identifier: string,
  entry: Omit<DirectoryEntry, 'keys'> & { readonly keys: readonly JsonWebKey[] },
): Hex {
  const set = Buffer.from(JSON.stringify({ keys: entry.keys }));
  const status = entry.status === 'active' ? 1 : 2;
  const action = networkAbi().encodeFunctionData('setOrganisation', [
    organisationName(identifier),
    [entry.baseUrl, set, entry.relay, status],
  ]);
  return networkAbi().encodeFunctionData('propose', [contract, action]) as Hex;
}

/** Keys of a JWK set; none when the text is not one: anybody may have written it. */
function keysOf(text: string): JsonWebKey[] {
  try {
    const { keys } = JSON.parse(text) as { keys?: unknown };
    return Array.isArray(keys) ? keys.filter((key): key is JsonWebKey => typeof key === 'object' && key !== null) : [];
  } catch {
    return [];
  }
}
