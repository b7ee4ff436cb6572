/** What a gate must know of policies to ask no more than it needs: read from their bytes, for their Consents may be elsewhere. */
import { toHex } from '../base/bytes.js';
import { KINDS, ROOT_OFFSET } from './policy-bytes.js';

/** What a gate must know of a policy to ask no more than it needs. */
export interface PolicySummary {
  /** Blinded terms (32 digits) that the policy mentions; no other term of a request changes what it decides. */
  readonly terms: ReadonlySet<string>;
  /** Their kinds, 4 digits each. */
  readonly kinds: ReadonlySet<string>;
  /** Blinded terms of groups that it asks membership of. */
  readonly groups: ReadonlySet<string>;
  readonly usesConfidentiality: boolean;
  readonly usesData: boolean;
  /** Times at which a decision can change, milliseconds since 1970, ascending. */
  readonly edges: readonly number[];
}

/** @returns undefined when the bytes are not well formed: then nothing may be left out of a request. */
function summarizePolicy(bytes: Uint8Array): PolicySummary | undefined {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const terms = new Set<string>();
  const groups = new Set<string>();
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
      case 'member-of':
        groups.add(toHex(bytes.subarray(offset + 1, offset + 17)));
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
    groups,
    usesConfidentiality: seen.confidentiality,
    usesData: seen.data,
    edges: [...edges].sort((a, b) => a - b),
  };
}

const NO_POLICIES: PolicySummary = {
  terms: new Set(),
  kinds: new Set(),
  groups: new Set(),
  usesConfidentiality: false,
  usesData: false,
  edges: [],
};

/** All policies of a patient as if they were one; those without contents mention nothing. */
export function summarizePolicies(policies: readonly Uint8Array[]): PolicySummary | undefined {
  let all = NO_POLICIES;
  for (const bytes of policies) {
    if (bytes.byteLength === 0) continue;
    const summary = summarizePolicy(bytes);
    if (summary === undefined) return undefined;
    all = {
      terms: new Set([...all.terms, ...summary.terms]),
      kinds: new Set([...all.kinds, ...summary.kinds]),
      groups: new Set([...all.groups, ...summary.groups]),
      usesConfidentiality: all.usesConfidentiality || summary.usesConfidentiality,
      usesData: all.usesData || summary.usesData,
      edges: [...all.edges, ...summary.edges].sort((a, b) => a - b),
    };
  }
  return all;
}
