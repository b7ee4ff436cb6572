import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { FhirError } from '../../src/base/outcome.js';
import type { RegistryDecision } from '../../src/chain/consent-registry.js';
import { JsonRpc } from '../../src/chain/json-rpc.js';
import { createBlinder } from '../../src/consent/blinder.js';
import { compileConsent, patientOf } from '../../src/consent/compile.js';
import { decideByPolicies } from '../../src/consent/oracle.js';
import type { Policy, Rule } from '../../src/consent/policy.js';
import { encodePolicy } from '../../src/consent/policy-bytes.js';
import { summarizePolicies } from '../../src/consent/policy-summary.js';
import {
  blindRequest,
  blindedTerms,
  clearRequest,
  principalTerms,
  relationOf,
  toRegistryRequest,
} from '../../src/consent/request.js';
import { type DevChain, startDevChain } from '../chain/dev-chain.js';
import { type DecisionCase, caseFiles, knownPolicies } from './case-files.js';
import { askContract } from './contract-oracle.js';

const files = caseFiles();

/** The policies of patient p1. */
function policiesOf({ consents }: DecisionCase): Policy[] {
  return consents
    .filter((consent) => consent['status'] !== 'active' || patientOf(consent) === 'p1')
    .map((consent) => compileConsent(consent, { overarching: knownPolicies }))
    .filter((policy) => policy !== undefined);
}

function requestOf({ principal, action, record, timeMs }: DecisionCase) {
  return clearRequest(principal, action, record, 'p1', timeMs);
}

/** FHIRPath of the provision that decided. */
function provisionOf(policies: readonly Policy[], { policy, path }: Pick<RegistryDecision, 'policy' | 'path'>) {
  if (policy === undefined) return undefined;
  let rule: Rule | undefined = policies[policy]?.root;
  for (const index of path) rule = rule?.rules[index];
  return rule?.expression;
}

describe('consent cases', () => {
  let dev: DevChain;
  const blinder = createBlinder(new Uint8Array(32).fill(2));
  const byCase = new Map<DecisionCase, RegistryDecision>();
  /** The same, asked with no more than the policies mention. */
  const byCaseReduced = new Map<DecisionCase, RegistryDecision>();

  function reducedRequest(one: DecisionCase) {
    const summary = summarizePolicies(policiesOf(one).map((policy) => encodePolicy(policy, blinder).bytes));
    const terms = blindedTerms(principalTerms(one.principal, one.action), summary, blinder);
    const relation = relationOf(one.principal, one.record, 'p1');
    const question = blindRequest({ principalTerms: terms, record: one.record, relation }, summary, blinder);
    return toRegistryRequest(question, one.timeMs);
  }

  before(async () => {
    dev = await startDevChain();
    const rpc = new JsonRpc({ urls: [dev.embedded.url], timeoutMs: 30_000 });
    for (const { decisions } of files) {
      const questions = decisions.map((one) => ({
        policies: policiesOf(one),
        requests: [requestOf(one)],
        implicitPolicy: one.implicitPolicy,
      }));
      const answers = await askContract(rpc, dev.contracts.consentRegistry, blinder, questions);
      decisions.forEach((one, i) => byCase.set(one, answers[i] as RegistryDecision));
      const reduced = questions.map((question, i) => ({
        ...question,
        blinded: [reducedRequest(decisions[i] as DecisionCase)],
      }));
      const again = await askContract(rpc, dev.contracts.consentRegistry, blinder, reduced);
      decisions.forEach((one, i) => byCaseReduced.set(one, again[i] as RegistryDecision));
    }
    rpc.close();
  });
  after(() => dev.stop());

  for (const { title, decisions, refusals } of files) {
    describe(title, () => {
      for (const one of decisions) {
        it(one.name, () => {
          const policies = policiesOf(one);
          const oracle = decideByPolicies(policies, requestOf(one), one.implicitPolicy);
          const contract = byCase.get(one);
          assert.deepEqual(contract, oracle, 'contract and oracle disagree');
          assert.deepEqual(byCaseReduced.get(one), oracle, 'leaving out terms changed the decision');
          const { permit, reason } = oracle;
          const provision = provisionOf(policies, oracle);
          assert.deepEqual({ permit, reason, ...(provision === undefined ? {} : { provision }) }, one.expect);
        });
      }
      for (const { name, consent, refused } of refusals) {
        it(`${name} is refused`, () => {
          assert.throws(
            () => compileConsent(consent, { overarching: knownPolicies }),
            (problem) => {
              assert.ok(problem instanceof FhirError);
              const [issue] = problem.issues;
              assert.deepEqual({ status: problem.status, code: issue?.code, expression: issue?.expression }, refused);
              return true;
            },
          );
        });
      }
    });
  }

  it('are at least 150', () => {
    const count = files.reduce((sum, { decisions, refusals }) => sum + decisions.length + refusals.length, 0);
    assert.ok(count >= 150, `${count} cases`);
  });
});
