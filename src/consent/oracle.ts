/**
 * The semantics of policies a second time, in TypeScript: what the contract is tested against, and what explanations are made from.
 *
 * Never used to answer a request: decisions are the contract's.
 */
import type { RegistryReason } from '../chain/consent-registry.js';
import type { Alternative, ClearRequest, Policy, Rule } from './policy.js';

/** What one policy says: nothing, or the effect of the rule at `path`. */
export interface RuleOutcome {
  readonly effect: 'none' | 'deny' | 'permit';
  /** Numbers of the nested rules down to the one that decided. */
  readonly path: readonly number[];
  readonly rule?: Rule;
  /** A denial that holds in emergencies too. */
  readonly isFinal?: boolean;
}

export interface OracleDecision {
  readonly permit: boolean;
  readonly reason: RegistryReason;
  /** Position of the deciding policy in the list. */
  readonly policy?: number;
  readonly path: readonly number[];
}

const NOTHING: RuleOutcome = { effect: 'none', path: [] };

/** Decides by all policies of a patient: the newest of a group, deny wins across groups, else the implicit policy. */
export function decideByPolicies(
  policies: readonly Policy[],
  request: ClearRequest,
  implicitPolicy: 'deny' | 'permit',
): OracleDecision {
  if (request.isPatient) return { permit: true, reason: 'patient', path: [] };
  if (request.isOwnConsent) return { permit: true, reason: 'author', path: [] };
  if (request.isDelegate === true) return { permit: true, reason: 'delegate', path: [] };
  const decision = combined(policies, request, implicitPolicy);
  if (decision.permit || request.isEmergency !== true || isFinal(policies, request)) return decision;
  return { ...decision, permit: true, reason: 'emergency' };
}

/** True when a denial that holds in emergencies too applies. */
function isFinal(policies: readonly Policy[], request: ClearRequest): boolean {
  return newest(policies).some((policy) => evaluatePolicy(policy, request).isFinal === true);
}

/** Without those that a newer one of the same group supersedes. */
function newest(policies: readonly Policy[]): readonly Policy[] {
  return policies.filter(
    (policy) => !policies.some((other) => other.group === policy.group && other.time > policy.time),
  );
}

function combined(
  policies: readonly Policy[],
  request: ClearRequest,
  implicitPolicy: 'deny' | 'permit',
): OracleDecision {
  let permitted: OracleDecision | undefined;
  const counting = new Set(newest(policies));
  for (const [index, policy] of policies.entries()) {
    if (!counting.has(policy)) continue;
    const { effect, path } = evaluatePolicy(policy, request);
    if (effect === 'deny') return { permit: false, reason: 'deny-provision', policy: index, path };
    if (effect === 'permit') permitted ??= { permit: true, reason: 'permit-provision', policy: index, path };
  }
  if (permitted !== undefined) return permitted;
  if (request.isAuthor) return { permit: true, reason: 'author', path: [] };
  const permit = implicitPolicy === 'permit';
  return { permit, reason: permit ? 'implicit' : 'no-consent', path: [] };
}

/** What one policy says; a permit that may not count is nothing. */
function evaluatePolicy(policy: Policy, request: ClearRequest): RuleOutcome {
  const outcome = evaluateRule(policy.root, request);
  return outcome.effect === 'permit' && !policy.canPermit ? NOTHING : outcome;
}

function evaluateRule(rule: Rule, request: ClearRequest): RuleOutcome {
  const applies = rule.criteria.every(({ alternatives }) => alternatives.some((one) => holds(one, request)));
  if (!applies) return NOTHING;
  const nested = rule.rules
    .map((child, i) => {
      const outcome = evaluateRule(child, request);
      return { ...outcome, path: [Math.min(i, 255), ...outcome.path] };
    })
    .filter(({ effect }) => effect !== 'none');
  return (
    nested.find(({ isFinal }) => isFinal === true) ??
    nested.find(({ effect }) => effect === 'deny') ??
    nested[0] ?? { effect: rule.type, path: [], rule, isFinal: rule.type === 'deny' && rule.isFinal === true }
  );
}

function holds(alternative: Alternative, request: ClearRequest): boolean {
  switch (alternative.kind) {
    case 'term':
      return request.terms.has(alternative.term);
    case 'member-of':
      return request.groups?.has(alternative.term) ?? false;
    case 'all-terms':
      return alternative.terms.every((term) => request.terms.has(term));
    case 'confidentiality-at-most':
      return request.confidentiality <= alternative.level;
    case 'confidentiality-at-least':
      return request.confidentiality >= alternative.level;
    case 'time-within':
      return alternative.start <= request.time && request.time < alternative.end;
    case 'data-within':
      return request.data !== undefined && alternative.start <= request.data[0] && request.data[1] <= alternative.end;
    case 'data-overlaps':
      return request.data === undefined || (alternative.start < request.data[1] && request.data[0] < alternative.end);
    case 'always':
      return true;
  }
}
