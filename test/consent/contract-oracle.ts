/** Asks the deployed contract about policies that were never filed: the filings are put in place by the call's state override. */
import { fromHex, toHex } from '../../src/base/bytes.js';
import { addressWord, bytes32Word, keccak, uintWord } from '../../src/chain/abi.js';
import type { Hex } from '../../src/chain/chain.js';
import {
  type RegistryQuestion,
  type RegistryRequest,
  decodeDecisions,
  encodeDecideAll,
} from '../../src/chain/consent-registry.js';
import type { JsonRpc } from '../../src/chain/json-rpc.js';
import type { Blinder } from '../../src/consent/blinder.js';
import { encodePolicy, policyHash } from '../../src/consent/policy-bytes.js';
import type { ClearRequest, Policy } from '../../src/consent/policy.js';

const KEY: Hex = `0x${'a1'.repeat(20)}`;
/** Storage slots of `_accounts` and `_active`, behind the two strings of OpenZeppelin's EIP712. */
const ACCOUNTS = 2;
const ACTIVE = 3;

const hashOf = (digits: string): Hex => `0x${toHex(keccak(fromHex(digits)))}`;

/** Storage as if `policies` had been filed by one key, with the indexes 0, 1, ... */
function filedStorage(patient: Hex, policies: readonly Uint8Array[]): Record<Hex, Hex> {
  const account: Hex = `0x${uintWord((BigInt(policies.length) << 160n) | BigInt(KEY))}`;
  const active = hashOf(bytes32Word(patient) + uintWord(ACTIVE));
  return {
    [hashOf(bytes32Word(patient) + uintWord(ACCOUNTS))]: account,
    ...Object.fromEntries(
      policies.map((bytes, index) => [
        hashOf(uintWord(index) + bytes32Word(active)),
        hashOf(bytes32Word(policyHash(bytes)) + addressWord(KEY)),
      ]),
    ),
  };
}

export interface OracleQuestion {
  readonly policies: readonly Policy[];
  readonly requests: readonly ClearRequest[];
  readonly implicitPolicy: 'deny' | 'permit';
  /** Instead of the clear requests with all their terms. */
  readonly blinded?: readonly RegistryRequest[];
}

export function toRegistryRequest(request: ClearRequest, blinder: Blinder) {
  const terms = [...request.terms].map((text) => blinder.term(text)).sort();
  return {
    time: request.time,
    dataStart: request.data?.[0] ?? 0,
    dataEnd: request.data?.[1] ?? 0,
    confidentiality: request.confidentiality,
    relation: (request.isPatient ? 1 : 0) | (request.isAuthor ? 2 : 0) | (request.isOwnConsent ? 4 : 0),
    terms: fromHex(terms.join('')),
  };
}

/** Decisions of the contract, all in one call, in order of questions and requests. */
export async function askContract(rpc: JsonRpc, registry: Hex, blinder: Blinder, questions: readonly OracleQuestion[]) {
  const stateDiff: Record<Hex, Hex> = {};
  const all = questions.map(({ policies, requests, implicitPolicy, blinded }, i): RegistryQuestion => {
    const patient: Hex = `0x${uintWord(i + 1)}`;
    const bytes = policies.map((policy) => encodePolicy(policy, blinder).bytes);
    Object.assign(stateDiff, filedStorage(patient, bytes));
    const asked = blinded ?? requests.map((request) => toRegistryRequest(request, blinder));
    return { patient, implicitPolicy, policies: bytes, withdrawn: [], pending: [], requests: asked };
  });
  const call = { to: registry, data: encodeDecideAll(all), gas: '0x1c9c380' };
  return decodeDecisions(await rpc.call<Hex>('eth_call', call, 'latest', { [registry]: { stateDiff } })).decisions;
}
