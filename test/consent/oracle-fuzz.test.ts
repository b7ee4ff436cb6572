import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { JsonRpc } from '../../src/chain/json-rpc.js';
import { createBlinder } from '../../src/consent/blinder.js';
import { decideByPolicies } from '../../src/consent/oracle.js';
import { type DevChain, startDevChain } from '../chain/dev-chain.js';
import { type OracleQuestion, askContract } from './contract-oracle.js';
import { Random, randomPolicy, randomRequest } from './random-policies.js';

/** Policy and request pairs; `FUZZ_PAIRS=100000 npm test -- oracle-fuzz` for a long run. */
const PAIRS = Number(process.env['FUZZ_PAIRS'] ?? 4_000);
const SEED = Number(process.env['FUZZ_SEED'] ?? 20_261);
const PER_QUESTION = 4;
const PER_CALL = 25;

describe('contract and oracle', () => {
  let dev: DevChain;
  let rpc: JsonRpc;
  const blinder = createBlinder(new Uint8Array(32).fill(1));

  before(async () => {
    dev = await startDevChain();
    rpc = new JsonRpc({ urls: [dev.embedded.url], timeoutMs: 30_000 });
  });
  after(async () => {
    rpc.close();
    await dev.stop();
  });

  it(`decide alike for ${PAIRS} random pairs of policies and requests (seed ${SEED})`, async (t) => {
    const random = new Random(SEED);
    const seen = new Map<string, number>();
    for (let pairs = 0; pairs < PAIRS; pairs += PER_CALL * PER_QUESTION) {
      const questions = Array.from({ length: PER_CALL }, (): OracleQuestion => ({
        policies: Array.from({ length: random.below(5) }, () => randomPolicy(random)),
        requests: Array.from({ length: PER_QUESTION }, () => randomRequest(random)),
        implicitPolicy: random.pick(['deny', 'permit'] as const),
      }));
      const decisions = await askContract(rpc, dev.contracts.consentRegistry, blinder, questions);
      questions.forEach(({ policies, requests, implicitPolicy }, q) => {
        requests.forEach((request, r) => {
          const expected = decideByPolicies(policies, request, implicitPolicy);
          const found = decisions[q * PER_QUESTION + r];
          assert.deepEqual(
            found,
            expected,
            `pair ${pairs + q * PER_QUESTION + r}: ${JSON.stringify({ policies, request: { ...request, terms: [...request.terms] } })}`,
          );
          seen.set(expected.reason, (seen.get(expected.reason) ?? 0) + 1);
        });
      });
    }
    t.diagnostic([...seen].map(([reason, count]) => `${reason} ${count}`).join(', '));
    // A fuzz that only ever meets one answer proves nothing.
    for (const reason of ['no-consent', 'implicit', 'patient', 'author', 'permit-provision', 'deny-provision']) {
      assert.ok((seen.get(reason) ?? 0) > PAIRS / 200, `${reason} is hardly met`);
    }
  });
});
