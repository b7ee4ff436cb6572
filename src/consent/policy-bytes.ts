/**
 * Policies as bytes: what is hashed on chain and evaluated by the contract. Byte layout: docs/consent.md, contracts/PolicyEvaluator.sol.
 */
import { fromHex, toHex } from '../base/bytes.js';
import { keccak } from '../chain/abi.js';
import type { Hex } from '../chain/chain.js';
import type { Blinder } from './blinder.js';
import type { Alternative, Policy, Rule } from './policy.js';

/** A policy ready to be filed. */
export interface PolicyBytes {
  readonly bytes: Uint8Array;
  /** keccak256 of the bytes. */
  readonly hash: Hex;
}

/** The kinds of alternatives, in the order of their numbers in the layout (from 1). */
export const KINDS: readonly Alternative['kind'][] = [
  'term',
  'all-terms',
  'confidentiality-at-most',
  'confidentiality-at-least',
  'time-within',
  'data-within',
  'data-overlaps',
  'always',
  'member-of',
];
const EFFECTS: readonly Rule['type'][] = ['none', 'deny', 'permit'];
/** A denial that holds in emergencies too. */
const FINAL = 3;
/** Where the root rule begins. */
export const ROOT_OFFSET = 42;

/** Deterministic: equal policies under equal keys give equal bytes. */
export function encodePolicy(policy: Policy, blinder: Blinder): PolicyBytes {
  const header =
    `01${policy.canPermit ? '00' : '01'}` +
    blinder.term(`source|${policy.source}`) +
    blinder.term(`group|${policy.group}`) +
    int64(policy.time);
  const bytes = fromHex(header + ruleDigits(policy.root, blinder));
  return { bytes, hash: policyHash(bytes) };
}

export function policyHash(bytes: Uint8Array): Hex {
  return `0x${toHex(keccak(bytes))}`;
}

function ruleDigits(rule: Rule, blinder: Blinder): string {
  const criteria = rule.criteria.map(({ alternatives }) => {
    const digits = alternatives.map((alternative) => alternativeDigits(alternative, blinder)).join('');
    return uint32(digits.length / 2) + digits;
  });
  const nested = rule.rules.map((child) => ruleDigits(child, blinder)).join('');
  const body = byte(criteria.length) + criteria.join('') + nested;
  const effect = rule.type === 'deny' && rule.isFinal === true ? FINAL : EFFECTS.indexOf(rule.type);
  return byte(effect) + uint32(body.length / 2) + body;
}

function alternativeDigits(alternative: Alternative, blinder: Blinder): string {
  const kind = byte(KINDS.indexOf(alternative.kind) + 1);
  switch (alternative.kind) {
    case 'term':
    case 'member-of':
      return kind + blinder.term(alternative.term);
    case 'all-terms':
      return kind + byte(alternative.terms.length) + alternative.terms.map((term) => blinder.term(term)).join('');
    case 'confidentiality-at-most':
    case 'confidentiality-at-least':
      return kind + byte(alternative.level);
    case 'time-within':
    case 'data-within':
    case 'data-overlaps':
      return kind + int64(alternative.start) + int64(alternative.end);
    case 'always':
      return kind;
  }
}

function byte(value: number): string {
  if (value < 0 || value > 255) throw new RangeError(`not a byte: ${value}`);
  return value.toString(16).padStart(2, '0');
}

const uint32 = (value: number) => value.toString(16).padStart(8, '0');

/** Two's complement, big-endian. */
const int64 = (value: number) => BigInt.asUintN(64, BigInt(value)).toString(16).padStart(16, '0');
