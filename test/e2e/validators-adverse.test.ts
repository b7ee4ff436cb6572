import { after, before, describe, it } from 'node:test';
import assert from 'node:assert/strict';
import { rmSync, writeFileSync } from 'node:fs';
import { hpkeOpen, hpkeSeal } from '../../src/vault/hpke.js';
import { sha256, toHex } from '../../src/base/bytes.js';
import { parseJson } from '../../src/base/json.js';
import { headDigest, signHead, type AttestationSignature, type HeadStatement } from '../../src/chain/anchor-log.js';
import type { Hex } from '../../src/chain/chain.js';
import { privateKeyFrom } from '../../src/chain/keys.js';
import { addressOf } from '../../src/chain/signing.js';
import { statementLine } from '../../src/anchoring/watch/sources.js';
import { run as watchRun } from '../../src/cli/watch.js';
import { GrowingRoot } from '../../src/anchoring/batch-facts.js';
import { hpkePublicKey } from '../../src/vault/hpke.js';
import { fromParameters } from '../../src/anchoring/proof-parameters.js';
import { fetchRpc, verifyProof } from '../../src/anchoring/verify-proof.js';
import type { AttestRequest } from '../../src/anchoring/validator-node/attest-request.js';
import {
  briefingInfo,
  decodeBriefing,
  encodeBriefing,
  type Briefing,
} from '../../src/anchoring/validator-node/briefing.js';
import type { Judgement } from '../../src/anchoring/validator-node/examine.js';
import { ValidatorNode, type Answer, type ValidatorParts } from '../../src/anchoring/validator-node/validator-node.js';
import { ValidatorState } from '../../src/anchoring/validator-node/validator-state.js';
import { TestValidators } from '../anchoring/validator-node/network.js';
import { TestServer } from './server.js';

/** A command of `mooring`, in this process: its exit status and what it prints on its standard output. */
async function mooring(run: (args: string[]) => Promise<number>, args: string[]) {
  const lines: string[] = [];
  /* eslint-disable no-console */
  const { log } = console;
  console.log = (line: string) => void lines.push(line);
  try {
    return { status: await run(args), lines };
  } finally {
    console.log = log;
  }
  /* eslint-enable no-console */
}

/** What a validator does wrong. */
type Vice = 'none' | 'finds everything invalid' | 'refuses the marked' | 'never answers';

describe('validators that do not behave', () => {
  const vices: Vice[] = ['none', 'none', 'none', 'none'];
  let validators: TestValidators;
  let server: TestServer;
  let parts: ValidatorParts[];

  const vicious = (index: number, given: ValidatorParts): Partial<ValidatorParts> => {
    parts[index] = given;
    return {
      judgeOf: async (profileSet, briefing) => {
        const judge = await given.judgeOf(profileSet, briefing);
        return (
          judge && {
            profileSet: judge.profileSet,
            async judge(resource): Promise<Judgement> {
              const vice = vices[index];
              if (vice === 'never answers') await new Promise((resolve) => setTimeout(resolve, 60_000).unref());
              const isRefused =
                vice === 'finds everything invalid' ||
                (vice === 'refuses the marked' && JSON.stringify(resource).includes('marked'));
              return { ...(await judge.judge(resource)), ...(isRefused ? { isValid: false } : {}) };
            },
          }
        );
      },
    };
  };

  before(async () => {
    parts = [];
    validators = await TestValidators.start(4, vicious);
    server = await TestServer.start({
      VALIDATORS: validators.file,
      ANCHOR_MAX_AGE_MS: '50',
      ATTESTATION_TIMEOUT_MS: '3000',
    });
    validators.serverUrl = server.baseUrl.replace(/\/fhir$/, '');
  });
  after(async () => {
    await server.stop();
    await validators.close();
  });

  const create = async (text: string, wait = 20) => {
    const body = { resourceType: 'Basic', code: { text } };
    const created = await server.post('Basic', body, { headers: { Prefer: `wait=${wait}` } });
    assert.equal(created.status, 201, created.text);
    return created.body.id as string;
  };
  const proofOf = async (id: string) => {
    const answer = await server.get(`Basic/${id}/$proof`);
    assert.equal(answer.status, 200, answer.text);
    return fromParameters(parseJson(answer.text));
  };

  it('are outvoted when one finds everything invalid, or never answers', async () => {
    for (const vice of ['finds everything invalid', 'never answers'] as const) {
      vices[3] = vice;
      const proof = await proofOf(await create(vice));
      await verifyProof(proof, fetchRpc(server.chainUrl));
      assert.ok(!proof.anchors[0].signatures.some(({ signer }) => signer === validators.all[3].description.address));
    }
    // The one that hangs is started anew.
    vices[3] = 'none';
    await validators.all[3].stop();
    await validators.all[3].start();
  });

  it('are outvoted when one answers with what it signed before, or signs another head, or with a key of another', async () => {
    const { node, keys, description } = validators.all[3];
    const attest = node.attest.bind(node);
    let before: Answer | undefined;
    const signing =
      (key: Uint8Array, changes: Partial<HeadStatement> = {}) =>
      async (request: AttestRequest): Promise<Answer> => {
        const answer = await attest(request);
        if (answer.kind !== 'attested') return answer;
        return { ...answer, signature: signHead(key, request.domain, { ...request.statement, ...changes }) };
      };
    const lies: [string, (request: AttestRequest) => Promise<Answer>][] = [
      ['honest', async (request) => (before ??= await attest(request))],
      ['replayed', () => Promise.resolve(before!)],
      ['another head', signing(keys.attesting, { root: `0x${'66'.repeat(32)}` })],
      ['of another validator', signing(validators.all[2].keys.attesting)],
    ];
    for (const [name, lie] of lies) {
      node.attest = lie;
      const { anchors } = await proofOf(await create(name));
      await verifyProof(await proofOf(await create(name)), fetchRpc(server.chainUrl));
      const signers = anchors[0].signatures.map(({ signer }) => signer);
      assert.equal(new Set(signers).size, 3);
      if (name !== 'honest') assert.ok(!signers.includes(description.address), name);
    }
    node.attest = attest;
    // Once it behaves, its signatures count again.
    await validators.all[0].stop();
    const { anchors } = await proofOf(await create('honest again'));
    assert.ok(anchors[0].signatures.some(({ signer }) => signer === description.address));
    await validators.all[0].start();
  });

  it('keep back a leaf that two of four refuse, and nothing else of its batch', async () => {
    vices[2] = vices[3] = 'refuses the marked';
    const entry = (text: string) => ({
      resource: { resourceType: 'Basic', code: { text } },
      request: { method: 'POST', url: 'Basic' },
    });
    const bundle = { resourceType: 'Bundle', type: 'transaction', entry: ['one', 'marked', 'three'].map(entry) };
    const answer = await server.post('', bundle, { headers: { Prefer: 'wait=20' } });
    assert.equal(answer.status, 200, answer.text);
    vices[2] = vices[3] = 'none';
    const ids = answer.body.entry.map(
      (each: { response: { location: string } }) => /Basic\/([^/]+)/.exec(each.response.location)?.[1],
    ) as string[];
    for (const id of ids) await waitForProof(id);
    const rpc = fetchRpc(server.chainUrl);
    await verifyProof(await proofOf(ids[0]), rpc);
    await verifyProof(await proofOf(ids[2]), rpc);
    await assert.rejects(async () => verifyProof(await proofOf(ids[1]), rpc), /the validators refused to attest it/);
    const refused = server.logLines.map((line) => JSON.parse(line)).filter(({ event }) => event === 'refused');
    assert.equal(refused.length, 1);
    assert.match(refused[0].reasons[0], /^0x[0-9a-f]{40}: invalid$/);
  });

  async function waitForProof(id: string): Promise<void> {
    for (let round = 0; round < 100; round += 1) {
      if ((await server.get(`Basic/${id}/$proof`)).status === 200) return;
      await new Promise((resolve) => setTimeout(resolve, 100));
    }
    assert.fail(`Basic/${id} is not anchored`);
  }

  describe('asked by somebody who is not to be trusted', () => {
    let request: AttestRequest;
    let count = 0;

    before(async () => {
      const { node } = validators.all[0];
      const attest = node.attest.bind(node);
      let seen: AttestRequest | undefined;
      node.attest = (given) => {
        seen = given;
        return attest(given);
      };
      for (let round = 0; seen === undefined && round < 5; round += 1) await create(`request ${round}`);
      node.attest = attest;
      request = seen!;
    });

    /** A validator with the keys of the first one, and no memory. */
    async function fresh(changes: Partial<ValidatorParts> = {}): Promise<ValidatorNode> {
      count += 1;
      const state = await ValidatorState.open(`${validators.folder}/fresh-${count}`);
      return new ValidatorNode({ ...parts[0], ...changes, state });
    }

    /** The request with another statement or briefing, sealed again as the server would. */
    async function changed(
      statement: Partial<HeadStatement>,
      change: (briefing: Briefing) => Briefing = (same) => same,
      rest: Partial<AttestRequest> = {},
    ): Promise<AttestRequest> {
      const { opening } = validators.all[0].keys;
      const context = (of: AttestRequest) => ({ info: briefingInfo, associated: headDigest(of.domain, of.statement) });
      const briefing = decodeBriefing(await hpkeOpen(opening, context(request), request.briefing));
      const next = { ...request, statement: { ...request.statement, ...statement }, ...rest };
      const sealed = await hpkeSeal(hpkePublicKey(opening), context(next), encodeBriefing(change(briefing)));
      return { ...next, briefing: sealed };
    }

    const codes = (answer: Answer) =>
      answer.kind === 'refused' ? answer.refusal.reasons.map(({ code }) => code) : [answer.kind];

    it('sign what is as they would have made it', async () => {
      assert.deepEqual(codes(await (await fresh()).attest(request)), ['attested']);
      assert.deepEqual(codes(await (await fresh()).attest(await changed({}))), ['attested']);
    });

    it('answer 401 to whoever does not have the key of the log', async () => {
      const response = await fetch(`${validators.all[0].description.url}/attest`, { method: 'POST', body: '{}' });
      assert.equal(response.status, 401);
    });

    it('refuse a block with a changed byte, a block that is lost, a key that does not fit', async () => {
      const flipped = await fresh({
        blocks: {
          async fetch(ticket, digests) {
            const found = await parts[0].blocks.fetch(ticket, digests);
            return new Map(
              [...found].map(([digest, bytes]) => [digest, bytes.map((byte, at) => (at === 40 ? byte ^ 1 : byte))]),
            );
          },
        },
      });
      assert.deepEqual(codes(await flipped.attest(request)), ['block-altered']);
      const empty = await fresh({ blocks: { fetch: () => Promise.resolve(new Map()) } });
      assert.deepEqual(codes(await empty.attest(request)), ['block-missing']);
      const wrongKey = await changed({}, (briefing) => ({
        ...briefing,
        leaves: briefing.leaves.map((leaf) =>
          leaf.kind === 'version' ? { ...leaf, dataKey: new Uint8Array(32) } : leaf,
        ),
      }));
      assert.deepEqual(codes(await (await fresh()).attest(wrongKey)), ['unopenable']);
    });

    it('refuse another level or receipt than their own, another salt, another base URL', async () => {
      const altered = (change: object) =>
        changed({}, (briefing) => ({
          ...briefing,
          leaves: briefing.leaves.map((leaf) => (leaf.kind === 'version' ? { ...leaf, ...change } : leaf)),
        }));
      const cases: [AttestRequest, string][] = [
        [await altered({ level: 0 }), 'receipt-differs'],
        [await altered({ receiptDigest: new Uint8Array(32) }), 'receipt-differs'],
        [await altered({ leafSalt: new Uint8Array(16) }), 'leaf-differs'],
        [await changed({}, (briefing) => ({ ...briefing, baseUrl: 'https://evil.example/fhir' })), 'leaf-differs'],
      ];
      for (const [given, code] of cases) assert.deepEqual(codes(await (await fresh()).attest(given)), [code]);
    });

    it('refuse another ProfileSet, root, receipts or level in the statement', async () => {
      const other: Hex = `0x${'12'.repeat(32)}`;
      const cases: [Partial<HeadStatement>, string][] = [
        [{ profileSet: other }, 'profile-set-unknown'],
        [{ root: other }, 'root-differs'],
        [{ prevRoot: other }, 'root-differs'],
        [{ receiptsRoot: other }, 'receipts-differ'],
        [{ leastLevel: (request.statement.leastLevel + 1) % 4 }, 'level-differs'],
      ];
      for (const [statement, code] of cases)
        assert.deepEqual(codes(await (await fresh()).attest(await changed(statement))), [code]);
    });

    it('refuse a briefing that was sealed for another statement, chain or contract', async () => {
      const foreign = { ...request, domain: { ...request.domain, chainId: 1 } };
      assert.deepEqual(codes(await (await fresh()).attest(foreign)), ['briefing-unopenable']);
      const elsewhere = { ...request, domain: { ...request.domain, contract: `0x${'12'.repeat(20)}` as Hex } };
      assert.deepEqual(codes(await (await fresh()).attest(elsewhere)), ['briefing-unopenable']);
    });

    it('never sign a fork: neither another root of a size, nor a log that does not lead from the last head', async () => {
      const node = await fresh();
      assert.deepEqual(codes(await node.attest(request)), ['attested']);
      assert.deepEqual(codes(await node.attest(request)), ['attested'], 'a repetition is no fork');
      const { size, prevSize } = request.statement;
      const leaves = Buffer.concat([...Array(size - prevSize)].map((_, at) => sha256(Buffer.from(`forged ${at}`))));
      const tree = GrowingRoot.from(prevSize, request.peaks);
      for (let at = 0; at < leaves.length; at += 32) tree.append(leaves.subarray(at, at + 32));
      const refused = [...Array(size - prevSize)].map((_, at) => prevSize + at);
      const fork = await changed({ root: `0x${toHex(tree.root())}` }, undefined, { leaves, refused });
      assert.deepEqual(codes(await node.attest(fork)), ['not-consistent']);
      const longer = Buffer.concat([leaves, sha256(Buffer.from('one more'))]);
      tree.append(longer.subarray(-32));
      const erased = (briefing: Briefing): Briefing => ({
        ...briefing,
        leaves: [...briefing.leaves, { kind: 'erased' }],
      });
      const grown = await changed({ root: `0x${toHex(tree.root())}`, size: size + 1 }, erased, {
        leaves: longer,
        refused: [...refused, size],
      });
      assert.deepEqual(codes(await node.attest(grown)), ['consistency-wanted']);
      const proven = { ...grown, consistency: { size, path: [sha256(Buffer.from('x'))] } };
      assert.deepEqual(codes(await node.attest(proven)), ['not-consistent']);
    });
  });

  it('that sign two heads are removed by the contract on proof of it, and the others go on', async () => {
    const { anchors } = await proofOf(await create('before'));
    const [{ statement, contract, chainId, signatures }] = anchors;
    const liar = validators.all.find(({ description }) => description.address === signatures[0].signer)!;
    const { address } = liar.description;
    const key = liar.keys.attesting;
    const domain = { chainId, contract };
    const other: HeadStatement = { ...statement, root: `0x${'66'.repeat(32)}` };
    assert.ok(signatures.length === 3);
    const funded = privateKeyFrom(Buffer.alloc(32, 5), 'anybody');
    const rpc = fetchRpc(server.chainUrl);
    await rpc('anvil_setBalance', [addressOf(funded), '0xde0b6b3a7640000']);
    const keyFile = `${validators.folder}/watcher.key`;
    writeFileSync(keyFile, `0x${toHex(funded)}`, { mode: 0o600 });
    // Whoever was shown the other head hands it to a watcher; the one that was anchored is on the chain and at the server.
    const heard = `${validators.folder}/heard.jsonl`;
    const told = (signature: AttestationSignature) =>
      writeFileSync(heard, statementLine({ chainId, contract, statement: other, signature }));
    const watch = (...more: string[]) =>
      mooring(watchRun, [
        ...['--rpc', server.chainUrl, '--contract', contract, '--server', validators.serverUrl, '--once'],
        ...['--dir', `${validators.folder}/watch`, '--statements', heard, ...more],
      ]);
    told({ ...signHead(key, domain, other), r: `0x${'11'.repeat(32)}` });
    assert.deepEqual(await watch('--key', keyFile), { status: 0, lines: [] }, 'what nobody signed convicts nobody');
    told(signHead(key, domain, other));
    const found = await watch();
    assert.equal(found.status, 1);
    assert.deepEqual(JSON.parse(found.lines[0]), {
      event: 'conflict',
      signer: address,
      size: statement.size,
      root: statement.root,
      otherRoot: other.root,
      isValidator: true,
    });
    rmSync(heard);
    const filed = await watch('--key', keyFile);
    assert.equal(filed.status, 1, 'what was seen is remembered');
    assert.deepEqual(
      filed.lines.map((line) => JSON.parse(line)).map(({ event, signer, status }) => [event, signer, status]),
      [['dispute', address, 'success']],
    );
    const again = await watch('--key', keyFile);
    assert.deepEqual(
      again.lines.map((line) => JSON.parse(line).isValidator),
      [false],
      'nobody is removed twice',
    );
    const after = await proofOf(await create('after'));
    await verifyProof(after, rpc);
    assert.equal(after.anchors[0].statement.epoch, statement.epoch + 1);
    assert.ok(!after.anchors[0].signatures.some(({ signer }) => signer === address));
    // Nor does a restart, which makes the contract's validators those of the file, bring it back.
    await server.restart();
    validators.serverUrl = server.baseUrl.replace(/\/fhir$/, '');
    const later = await proofOf(await create('later'));
    assert.equal(later.anchors[0].statement.epoch, statement.epoch + 1);
  });
});
