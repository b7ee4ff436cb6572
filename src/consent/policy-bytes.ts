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
const KINDS: readonly Alternative['kind'][] = [
  'term',
  'all-terms',
  'confidentiality-at-most',
  'confidentiality-at-least',
  'time-within',
  'data-within',
  'data-overlaps',
  'always',
];
const EFFECTS: readonly Rule['type'][] = ['none', 'deny', 'permit'];
const ROOT_OFFSET = 42;

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
  return byte(EFFECTS.indexOf(rule.type)) + uint32(body.length / 2) + body;
}

function alternativeDigits(alternative: Alternative, blinder: Blinder): string {
  const kind = byte(KINDS.indexOf(alternative.kind) + 1);
  switch (alternative.kind) {
    case 'term':
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

/** What a gate must know of a policy to ask no more than it needs. */
export interface PolicySummary {
  /** Blinded terms (32 digits) that the policy mentions; no other term of a request changes what it decides. */
  readonly terms: ReadonlySet<string>;
  /** Their kinds, 4 digits each. */
  readonly kinds: ReadonlySet<string>;
  readonly usesConfidentiality: boolean;
  readonly usesData: boolean;
  /** Times at which a decision can change, milliseconds since 1970, ascending. */
  readonly edges: readonly number[];
}

/** @returns undefined when the bytes are not well formed: then nothing may be left out of a request. */
export function summarizePolicy(bytes: Uint8Array): PolicySummary | undefined {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const terms = new Set<string>();
  const edges = new Set<number>();
  const seen = { confidentiality: false, data: false };
  const termAt = (offset: number) => terms.add(toHex(bytes.subarray(offset, offset + 16)));

  const readAlternative = (offset: number): number => {
    switch (KINDS[view.getUint8(offset) - 1]) {
      case 'term':
        termAt(offset + 1);
        return offset + 17;
      case 'all-terms': {
        const count = view.getUint8(offset + 1);
        for (let i = 0; i < count; i += 1) termAt(offset + 2 + 16 * i);
        return offset + 2 + 16 * count;
      }
      case 'confidentiality-at-most':
      case 'confidentiality-at-least':
        seen.confidentiality = true;
        return offset + 2;
      case 'time-within':
        edges.add(Number(view.getBigInt64(offset + 1)));
        edges.add(Number(view.getBigInt64(offset + 9)));
        return offset + 17;
      case 'data-within':
      case 'data-overlaps':
        seen.data = true;
        return offset + 17;
      case 'always':
        return offset + 1;
      case undefined:
        throw new RangeError('unknown kind');
    }
  };
  const readRule = (start: number): number => {
    const end = start + 5 + view.getUint32(start + 1);
    let offset = start + 6;
    for (let criteria = view.getUint8(start + 5); criteria > 0; criteria -= 1) {
      const next = offset + 4 + view.getUint32(offset);
      for (offset += 4; offset < next;) offset = readAlternative(offset);
      if (offset !== next) throw new RangeError('criterion out of step');
    }
    while (offset < end) offset = readRule(offset);
    if (offset !== end) throw new RangeError('rule out of step');
    return end;
  };

  try {
    if (readRule(ROOT_OFFSET) !== bytes.byteLength) return undefined;
  } catch (problem) {
    if (problem instanceof RangeError) return undefined;
    throw problem;
  }
  return {
    terms,
    kinds: new Set([...terms].map((term) => term.slice(0, 4))),
    usesConfidentiality: seen.confidentiality,
    usesData: seen.data,
    edges: [...edges].sort((a, b) => a - b),
  };
}
