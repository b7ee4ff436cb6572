import { after, before, describe, it } from 'node:test';
import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { parseJson } from '../../src/base/json.js';
import { startEmbeddedChain, type EmbeddedChain } from '../../src/chain/embedded-anvil.js';
import { addressOf } from '../../src/chain/signing.js';
import { fromParameters } from '../../src/anchoring/proof-parameters.js';
import { fetchRpc, ProofRefused, verifyProof } from '../../src/anchoring/verify-proof.js';
import { TestServer } from './server.js';

describe('a log on two chains', () => {
  const folder = mkdtempSync(path.join(tmpdir(), 'mooring-two-chains-'));
  const key = new Uint8Array(32).fill(9);
  let second: EmbeddedChain;
  let server: TestServer;
  before(async () => {
    second = await startEmbeddedChain({ folder, chainId: 1337 });
    await second.fund([addressOf(key)]);
    const keyFile = path.join(folder, 'payer.key');
    writeFileSync(keyFile, `0x${Buffer.from(key).toString('hex')}`, { mode: 0o600 });
    server = await TestServer.start({ CHAINS: `1337;${second.url};${keyFile}`, ANCHOR_MAX_AGE_MS: '50' });
  });
  after(async () => {
    await server.stop();
    await second.stop();
    rmSync(folder, { recursive: true });
  });

  /** The proof of a new resource, as soon as it names `count` chains. */
  async function proofOn(count: number) {
    const created = await server.post('Basic', { resourceType: 'Basic', code: { text: 'x' } });
    assert.equal(created.status, 201, created.text);
    for (let round = 0; round < 200; round += 1) {
      const { status, text } = await server.get(`Basic/${created.body.id}/$proof`);
      if (status === 200 && fromParameters(parseJson(text)).anchors.length === count)
        return fromParameters(parseJson(text));
      await new Promise((resolve) => setTimeout(resolve, 50));
    }
    return assert.fail(`no proof names ${count} chains; ${server.logLines.slice(-8).join(' ')}`);
  }

  it('gives one proof that holds on either of them', async () => {
    const proof = await proofOn(2);
    const [first, other] = proof.anchors;
    assert.deepEqual([first.chainId, other.chainId], [31337, 1337]);
    assert.equal((await verifyProof(proof, fetchRpc(server.chainUrl))).anchor.contract, first.contract);
    assert.equal((await verifyProof(proof, fetchRpc(second.url))).anchor.contract, other.contract);
  });

  it('gives none that holds on the other chain by the anchor of the first', async () => {
    const proof = await proofOn(2);
    const only = { ...proof, anchors: [proof.anchors[0]] };
    await assert.rejects(verifyProof(only, fetchRpc(second.url)), /the endpoint serves chain 1337/);
    const moved = { ...proof, anchors: [{ ...proof.anchors[0], chainId: 1337 }] };
    await assert.rejects(verifyProof(moved, fetchRpc(second.url)), ProofRefused);
    await verifyProof(only, fetchRpc(server.chainUrl));
  });

  it('goes on with the same contracts after a restart', async () => {
    const before = await proofOn(2);
    await server.restart();
    const after = await proofOn(2);
    assert.deepEqual(
      after.anchors.map(({ contract }) => contract),
      before.anchors.map(({ contract }) => contract),
    );
  });
});
