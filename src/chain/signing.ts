/**
 * secp256k1 keys and EIP-712 signatures in compact form (EIP-2098).
 *
 * Specs: https://eips.ethereum.org/EIPS/eip-712, https://eips.ethereum.org/EIPS/eip-2098
 */
import { SigningKey, Signature, computeAddress } from 'ethers';
import { fromHex, toHex } from '../base/bytes.js';
import { addressWord, bytes32Word, keccak, keccakText, uintWord } from './abi.js';
import type { Hex } from './chain.js';

/** Where a signature is valid: EIP-712 domain without its name and version, which each contract fixes. */
export interface Eip712Domain {
  readonly chainId: number;
  readonly contract: Hex;
}

/** A compact signature and who made it. */
export interface AttestationSignature {
  readonly signer: Hex;
  readonly r: Hex;
  /** Parity in the top bit, `s` (low half of the order) below. */
  readonly vs: Hex;
}

const DOMAIN_TYPE = keccakText('EIP712Domain(string name,string version,uint256 chainId,address verifyingContract)');
const VERSION_1 = keccakText('1');

const domainSeparators = new Map<string, string>();

/** Domain separator word for a contract that calls itself `name`, version 1. Remembered. */
function domainSeparator(name: string, { chainId, contract }: Eip712Domain): string {
  const key = `${name}/${chainId}/${contract}`;
  let separator = domainSeparators.get(key);
  if (separator === undefined) {
    const words = [DOMAIN_TYPE.slice(2), keccakText(name).slice(2), VERSION_1.slice(2), uintWord(chainId)];
    separator = toHex(keccak(fromHex(words.join('') + addressWord(contract))));
    domainSeparators.set(key, separator);
  }
  return separator;
}

/** The 32 bytes to sign for a struct whose members (all of static type) are `words`, hexadecimal digits without prefix. */
export function typedDataDigest(name: string, domain: Eip712Domain, typeHash: Hex, words: string): Uint8Array {
  const structHash = toHex(keccak(fromHex(bytes32Word(typeHash) + words)));
  return keccak(fromHex(`1901${domainSeparator(name, domain)}${structHash}`));
}

/** Signs 32 bytes. */
export function signDigest(privateKey: Uint8Array, digest: Uint8Array): AttestationSignature {
  const signature = new SigningKey(privateKey).sign(digest);
  return { signer: addressOf(privateKey), r: signature.r as Hex, vs: signature.yParityAndS as Hex };
}

/** Address of the signer. @throws Error when it is no signature. */
export function recoverSigner(digest: Uint8Array, { r, vs }: Pick<AttestationSignature, 'r' | 'vs'>): Hex {
  const signature = Signature.from({ r, yParityAndS: vs });
  return computeAddress(SigningKey.recoverPublicKey(digest, signature)).toLowerCase() as Hex;
}

const addresses = new WeakMap<Uint8Array, Hex>();

/** Address of a 32-byte private key, lower case. */
export function addressOf(privateKey: Uint8Array): Hex {
  let address = addresses.get(privateKey);
  if (address === undefined) {
    address = computeAddress(new SigningKey(privateKey)).toLowerCase() as Hex;
    addresses.set(privateKey, address);
  }
  return address;
}
