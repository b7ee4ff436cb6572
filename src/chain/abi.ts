/**
 * The few pieces of the contract ABI that hot paths need, written by hand: ethers' Interface is 50 times slower.
 *
 * Everything is hexadecimal text without prefix; a word is 64 digits. Spec: https://docs.soliditylang.org/en/latest/abi-spec.html
 */
import { keccak_256 } from '@noble/hashes/sha3.js';
import { toHex } from '../base/bytes.js';
import type { Hex } from './chain.js';

const encoder = new TextEncoder();

/** keccak256 of bytes: 32 bytes. */
export function keccak(...parts: readonly Uint8Array[]): Uint8Array {
  return keccak_256(parts.length === 1 ? (parts[0] as Uint8Array) : Buffer.concat(parts));
}

/** keccak256 of text (UTF-8), as Hex: event topics, type hashes. */
export function keccakText(text: string): Hex {
  return `0x${toHex(keccak(encoder.encode(text)))}`;
}

/** First four bytes of the hash of a function or error signature such as `anchor((bytes32,uint64),bytes[])`: 8 digits. */
export function selector(signature: string): string {
  return keccakText(signature).slice(2, 10);
}

/** Unsigned number or bigint as a word. @throws RangeError when negative or not whole. */
export function uintWord(value: number | bigint): string {
  if (typeof value === 'number' && (!Number.isSafeInteger(value) || value < 0))
    throw new RangeError(`not a uint: ${value}`);
  if (value < 0) throw new RangeError(`not a uint: ${value}`);
  return value.toString(16).padStart(64, '0');
}

/** Signed number as a word (two's complement). @throws RangeError when it is no safe integer. */
export function intWord(value: number | bigint): string {
  return value >= 0 ? uintWord(value) : BigInt.asUintN(256, BigInt(value)).toString(16);
}

/** A bytes32 as a word. @throws RangeError when it is not 32 bytes of hexadecimal text. */
export function bytes32Word(value: Hex): string {
  if (!/^0x[0-9a-f]{64}$/i.test(value)) throw new RangeError(`not 32 bytes: ${value}`);
  return value.slice(2).toLowerCase();
}

/** An address as a word. @throws RangeError when it is none. */
export function addressWord(value: Hex): string {
  if (!/^0x[0-9a-f]{40}$/i.test(value)) throw new RangeError(`not an address: ${value}`);
  return value.slice(2).toLowerCase().padStart(64, '0');
}

/** Dynamic bytes: length word and the bytes, padded to words. */
export function bytesTail(value: Uint8Array): string {
  const digits = toHex(value);
  return uintWord(value.byteLength) + digits.padEnd(Math.ceil(digits.length / 64) * 64, '0');
}

/** An array or tuple of dynamic items: offsets (relative to their own start), then the items. */
export function dynamicItems(items: readonly string[]): string {
  let offset = items.length * 32;
  let heads = '';
  for (const item of items) {
    heads += uintWord(offset);
    offset += item.length / 2;
  }
  return heads + items.join('');
}

/** Reads words out of return data or event data. */
export class WordReader {
  readonly #digits: string;

  constructor(data: Hex) {
    this.#digits = data.slice(2);
  }

  get wordCount(): number {
    return this.#digits.length >> 6;
  }

  /** @throws RangeError when there is no such word. */
  word(index: number): string {
    const word = this.#digits.slice(index * 64, index * 64 + 64);
    if (word.length !== 64) throw new RangeError(`no word ${index}`);
    return word;
  }

  bytes32(index: number): Hex {
    return `0x${this.word(index)}`;
  }

  address(index: number): Hex {
    return `0x${this.word(index).slice(24)}`;
  }

  bigint(index: number): bigint {
    return BigInt(`0x${this.word(index)}`);
  }

  /** @throws RangeError when the value is above 2^53. */
  number(index: number): number {
    const value = this.bigint(index);
    if (value > BigInt(Number.MAX_SAFE_INTEGER)) throw new RangeError(`word ${index} is too large`);
    return Number(value);
  }

  boolean(index: number): boolean {
    return this.bigint(index) !== 0n;
  }
}
