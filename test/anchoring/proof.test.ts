import { after, before, describe, it } from 'node:test';
import assert from 'node:assert/strict';
import { readFileSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { parseJson, stringifyJson } from '../../src/base/json.js';
import { FhirError } from '../../src/base/outcome.js';
import type { Anchorer } from '../../src/anchoring/anchorer.js';
import { TileStore } from '../../src/anchoring/tile-store.js';
import { cut, selects } from '../../src/anchoring/disclosure.js';
import type { Parameters } from '../../src/anchoring/parameters.js';
import { buildProof } from '../../src/anchoring/proof-builder.js';
import { fromParameters, toParameters } from '../../src/anchoring/proof-parameters.js';
import { ProofFormatError } from '../../src/anchoring/proof.js';
import { fetchRpc, ProofRefused, verifyProof, type Rpc } from '../../src/anchoring/verify-proof.js';
import { anchorerOf, proofSourceOf, settle, startNetwork, type Network } from './harness.js';

const observation = `{"resourceType":"Observation","id":"o1","meta":{"versionId":"2","lastUpdated":"2023-11-14T22:13:20.000Z"},"status":"final",
  "code":{"coding":[{"system":"http://loinc.org","code":"718-7"}]},"subject":{"reference":"Patient/p1"},"valueQuantity":{"value":13.50,"unit":"g/dL"}}`;

describe('a proof', () => {
  let network: Network;
  let rpc: Rpc;
  let text: string;
  let disclosed: string;
  let deleted: string;
  let settled: Anchorer;
  before(async () => {
    network = await startNetwork();
    rpc = fetchRpc(network.embedded.url);
    const anchorer = anchorerOf(network);
    network.log.addMany(2);
    await settle(anchorer);
    network.log.addMany(3);
    const row = network.log.add(observation, 2);
    network.log.addMany(300);
    await settle(anchorer);
    const gone = network.log.delete('Observation', 'o1', 3);
    await settle(anchorer);
    settled = anchorer;
    const source = proofSourceOf(network, [anchorer]);
    text = stringifyJson(await buildProof(source, row));
    disclosed = stringifyJson(
      await buildProof(source, row, { show: { elements: ['Observation.valueQuantity', 'Observation.code'] } }),
    );
    deleted = stringifyJson(await buildProof(source, gone));
  });
  after(() => network.close());

  const check = async (document: string) =>
    verifyProof(fromParameters(parseJson(document)), rpc, { contract: network.contracts.anchorLog });

  it('of an anchored version holds against the chain alone', async () => {
    const shown = await check(text);
    assert.equal(shown.anchor.batch, 2);
    assert.equal(shown.anchor.statement.size, 306);
    assert.ok(text.includes('13.50'), 'the decimal keeps its text');
    await verifyProof(fromParameters(parseJson(text)), rpc);
  });

  it('of a deletion holds, and shows no content', async () => {
    const { anchor } = await check(deleted);
    assert.equal(anchor.batch, 3);
    assert.equal(fromParameters(parseJson(deleted)).parts.kind, 'deletion');
  });

  it('shows only the elements that were asked for', async () => {
    await check(disclosed);
    assert.ok(disclosed.includes('718-7') && disclosed.includes('13.50'));
    for (const hidden of ['Patient/p1', 'final', 'subject', 'status', 'lastUpdated'])
      assert.ok(!disclosed.includes(hidden), hidden);
    const full = fromParameters(parseJson(text));
    assert.ok(full.content.kind === 'resource');
    assert.ok(!disclosed.includes(Buffer.from(full.content.salt).toString('hex')));
  });

  it('can be cut further by its holder, without the server', async () => {
    const proof = fromParameters(parseJson(disclosed));
    assert.ok(proof.content.kind === 'elements');
    const less = cut(proof.content.disclosure, selects(['Observation.code']));
    const document = stringifyJson(toParameters({ ...proof, content: { kind: 'elements', disclosure: less } }));
    await check(document);
    assert.ok(!document.includes('13.50') && document.includes('718-7'));
  });

  it('is the same document after it was read and written', () => {
    for (const document of [text, disclosed, deleted])
      assert.equal(stringifyJson(toParameters(fromParameters(parseJson(document)))), document);
  });

  it('does not hold when any single value in it is changed, and the reason names what differs', async () => {
    for (const [name, document] of Object.entries({ text, disclosed, deleted })) {
      for (const { path, changed } of mutations(document)) {
        await assert.rejects(
          check(changed),
          (error) => {
            assert.ok(
              error instanceof ProofRefused || error instanceof ProofFormatError,
              `${name} ${path}: ${String(error)}`,
            );
            return true;
          },
          `${name}: ${path} was changed and it still holds`,
        );
      }
    }
  });

  it('says in words why it does not hold', async () => {
    const reasons: [string, RegExp | string, RegExp][] = [
      ['another value in the resource', '13.50', /its content was changed/],
      ['another decimal text', '13.50', /its content was changed/],
      ['another URL', 'https://ehr.example/fhir/Observation/o1/_history/2', /made for another URL/],
    ];
    const replacements = ['13.51', '13.5', 'https://evil.example/fhir/Observation/o1/_history/2'];
    for (const [at, [, found, reason]] of reasons.entries())
      await assert.rejects(check(text.replace(found, replacements[at])), reason);
    const proof = fromParameters(parseJson(text));
    const [anchor] = proof.anchors;
    const zero = new Uint8Array(32);
    const changedAnchor = (changes: object) => ({ ...proof, anchors: [{ ...anchor, ...changes }] });
    const cases: [object, RegExp][] = [
      [{ ...proof, parts: { ...proof.parts, level: 3 } }, /parts of the leaf hash to/],
      [{ ...proof, leafIndex: proof.leafIndex + 1 }, /inclusion path (leads to the root|does not fit)/],
      [changedAnchor({ inclusion: anchor.inclusion.slice(1) }), /does not fit leaf/],
      [changedAnchor({ inclusion: [zero, ...anchor.inclusion.slice(1)] }), /leads to the root/],
      [changedAnchor({ txHash: `0x${'12'.repeat(32)}` }), /has no transaction/],
      [changedAnchor({ contract: `0x${'12'.repeat(20)}` }), /the trusted one is/],
      [changedAnchor({ chainId: 1 }), /the endpoint serves chain 31337/],
      [changedAnchor({ batch: 7 }), /anchored batch 2, the proof says 7/],
      [changedAnchor({ blockNumber: anchor.blockNumber + 1 }), /is in block/],
      [changedAnchor({ statement: { ...anchor.statement, epoch: 9 } }), /anchored epoch 1, the proof says 9/],
      [changedAnchor({ signatures: [] }), /attestations are not those of the transaction/],
      [
        changedAnchor({ signatures: [{ ...anchor.signatures[0], signer: `0x${'12'.repeat(20)}` }] }),
        /is not its signature/,
      ],
    ];
    for (const [changed, reason] of cases)
      await assert.rejects(
        verifyProof(changed as typeof proof, rpc, { contract: network.contracts.anchorLog }),
        reason,
      );
    await assert.rejects(verifyProof(changedAnchor({ txHash: `0x${'12'.repeat(32)}` }), rpc), ProofRefused);
    await assert.rejects(verifyProof(proof, rpc, { confirmations: 1_000 }), /confirmations, 1000 are wanted/);
  });

  it('needs a document of its form', () => {
    for (const [document, reason] of [
      ['{"resourceType":"Patient"}', /no FHIR Parameters/],
      ['{"resourceType":"Parameters","parameter":[]}', /proof.format is missing/],
      [text.replace('mooring-proof-1', 'mooring-proof-9'), /has the form "mooring-proof-9"/],
    ] as const)
      assert.throws(() => fromParameters(parseJson(document)), reason);
  });

  it('is made from tiles built anew when a tile was damaged', async () => {
    const file = path.join(network.folder, 'log', 'tile', '0', '000');
    const bytes = readFileSync(file);
    bytes[40] ^= 1;
    writeFileSync(file, bytes);
    network.tiles = await TileStore.open(path.join(network.folder, 'log'), network.log, network.log.versions.length);
    const proofs = proofSourceOf(network, [settled]);
    await check(stringifyJson(await buildProof(proofs, network.log.versions[5].row)));
    bytes[40] ^= 1;
    assert.deepEqual(readFileSync(file), bytes);
    await settle(anchorerOf(network));
  });

  it('of a version that is not anchored yet is refused with 404 and Retry-After', async () => {
    const anchorer = anchorerOf(network, { maxAgeMs: 600_000 });
    const row = network.log.add(observation.replace('"2"', '"4"'));
    await anchorer.step();
    await assert.rejects(buildProof(proofSourceOf(network, [anchorer]), row), (error) => {
      assert.ok(error instanceof FhirError);
      assert.deepEqual([error.status, error.issues[0].code, error.headers['Retry-After']], [404, 'not-found', '2']);
      return true;
    });
  });
});

/** Every primitive of the document changed once: a digit or letter of it, or the number next to it. */
function* mutations(document: string): Generator<{ path: string; changed: string }> {
  const copy = () => parseJson(document) as unknown as Parameters;
  const slots: string[][] = [];
  const collect = (value: unknown, path: string[]): void => {
    if (typeof value === 'object' && value !== null)
      for (const key of Object.keys(value)) collect((value as Record<string, unknown>)[key], [...path, key]);
    else if (path.at(-1) !== 'name') slots.push(path);
  };
  collect(copy(), []);
  for (const path of slots) {
    const changed = copy();
    let holder = changed as unknown as Record<string, unknown>;
    for (const key of path.slice(0, -1)) holder = holder[key] as Record<string, unknown>;
    const [last, value] = [path[path.length - 1], holder[path[path.length - 1]]];
    const symbols = Object.getOwnPropertySymbols(holder);
    for (const symbol of symbols) Reflect.deleteProperty(holder, symbol);
    holder[last] = typeof value === 'number' ? value + 1 : typeof value === 'string' ? altered(value) : !value;
    yield { path: path.join('.'), changed: stringifyJson(changed) };
  }
}

function altered(text: string): string {
  const at = Math.floor(text.length / 2);
  const digit = text[at] === '1' ? '2' : '1';
  return text.slice(0, at) + digit + text.slice(at + 1);
}
