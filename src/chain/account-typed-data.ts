/**
 * What the key of a patient signs, as one family: for wallets as EIP-712 typed data, for passkeys as the 32 bytes of the challenge. Pure.
 *
 * Specs: https://eips.ethereum.org/EIPS/eip-712 (`eth_signTypedData_v4`), contracts/IConsentRegistry.sol
 */
import {
  delegationDigest,
  recoveryCancelDigest,
  recoveryPlanDigest,
  recoveryStartDigest,
  type Delegation,
  type RecoveryPlan,
  type RecoveryStart,
} from './account-statements.js';
import type { Hex } from './chain.js';
import { filingDigest, keyChangeDigest, revocationDigest, type Filing, type Revocation } from './consent-registry.js';
import type { Eip712Domain } from './signing.js';

/** One statement of a patient's key (`recover`: of her recovery key). Times in seconds since 1970. */
export type AccountStatement =
  | ({ readonly kind: 'file' } & Filing)
  | ({ readonly kind: 'revoke' } & Revocation)
  | ({ readonly kind: 'change-key'; readonly key: Hex } & Omit<Filing, 'policy'>)
  | ({ readonly kind: 'delegate' } & Delegation)
  | ({ readonly kind: 'set-recovery' } & RecoveryPlan)
  | ({ readonly kind: 'recover' } & RecoveryStart)
  | { readonly kind: 'cancel-recovery'; readonly patient: Hex; readonly index: number };

/** The object that `eth_signTypedData_v4` takes. */
export interface TypedData {
  readonly types: Readonly<Record<string, readonly { readonly name: string; readonly type: string }[]>>;
  readonly primaryType: string;
  readonly domain: {
    readonly name: string;
    readonly version: string;
    readonly chainId: number;
    readonly verifyingContract: Hex;
  };
  readonly message: Readonly<Record<string, string | number>>;
}

const DOMAIN_MEMBERS = 'string name,string version,uint256 chainId,address verifyingContract';
/** Name of the struct and its members, as the contract hashes them. */
const STRUCTS: Readonly<Record<AccountStatement['kind'], readonly [name: string, members: string]>> = {
  file: ['File', 'bytes32 patient,bytes32 policy,uint32 index,uint64 deadline'],
  revoke: ['Revoke', 'bytes32 patient,bytes32 policy,uint32 index'],
  'change-key': ['ChangeKey', 'bytes32 patient,address key,uint32 index,uint64 deadline'],
  delegate: ['Delegate', 'bytes32 patient,address key,bytes16 actor,uint64 until,uint32 index,uint64 deadline'],
  'set-recovery': ['Recovery', 'bytes32 patient,address key,uint32 delayS,uint32 index,uint64 deadline'],
  recover: ['Recover', 'bytes32 patient,address next,uint32 index,uint64 deadline'],
  'cancel-recovery': ['CancelRecovery', 'bytes32 patient,uint32 index'],
};
const NO_ADDRESS = `0x${'0'.repeat(40)}`;

/** The 32 bytes that a key of either kind signs. */
export function statementDigest(domain: Eip712Domain, statement: AccountStatement): Uint8Array {
  switch (statement.kind) {
    case 'file':
      return filingDigest(domain, statement);
    case 'revoke':
      return revocationDigest(domain, statement);
    case 'change-key':
      return keyChangeDigest(domain, statement);
    case 'delegate':
      return delegationDigest(domain, statement);
    case 'set-recovery':
      return recoveryPlanDigest(domain, statement);
    case 'recover':
      return recoveryStartDigest(domain, statement);
    case 'cancel-recovery':
      return recoveryCancelDigest(domain, statement);
  }
}

/** The same for a wallet, which shows it to its owner. */
export function typedDataOf({ chainId, contract }: Eip712Domain, statement: AccountStatement): TypedData {
  const [primaryType, members] = STRUCTS[statement.kind];
  const fields = membersOf(members);
  const given: Record<string, unknown> = { ...statement };
  // Left out of a delegation or a recovery: zero.
  if (fields.some(({ name }) => name === 'key')) given['key'] ??= NO_ADDRESS;
  if (statement.kind === 'delegate') given['actor'] = `0x${(statement.actor ?? '').padEnd(32, '0')}`;
  return {
    types: { EIP712Domain: membersOf(DOMAIN_MEMBERS), [primaryType]: fields },
    primaryType,
    domain: { name: 'ConsentRegistry', version: '1', chainId, verifyingContract: contract },
    message: Object.fromEntries(fields.map(({ name }) => [name, given[name] as string | number])),
  };
}

function membersOf(text: string): { name: string; type: string }[] {
  return text.split(',').map((member) => {
    const [type = '', name = ''] = member.split(' ');
    return { name, type };
  });
}
