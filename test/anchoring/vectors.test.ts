import { describe, it } from 'node:test';
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { toHex } from '../../src/base/bytes.js';
import { parseJson } from '../../src/base/json.js';
import { headDigest, recoverHeadSigner, type HeadStatement } from '../../src/chain/anchor-log.js';
import type { Hex } from '../../src/chain/chain.js';
import { accessLeaf } from '../../src/anchoring/access-leaf.js';
import { cidOf, digestOfCid } from '../../src/anchoring/cid.js';
import { commitmentOf } from '../../src/anchoring/disclosure.js';
import { buildElementTree } from '../../src/anchoring/element-tree.js';
import { elementsOf } from '../../src/anchoring/elements.js';
import { hashUrl, leafContext, makeDeletionLeaf, makeLeaf, urlSaltOf, type Level } from '../../src/anchoring/leaf.js';
import { isConsistent, rootFromInclusion } from '../../src/anchoring/merkle.js';
import { challengedLeaves } from '../../src/anchoring/possession.js';
import { tombstoneLeaf } from '../../src/anchoring/tombstone.js';

const root = fileURLToPath(new URL('../../../', import.meta.url));
const file = `${root}test/cases/poi/vectors.json`;
interface Vectors {
  versions: Record<
    | 'name'
    | 'leafSalt'
    | 'resource'
    | 'url'
    | 'profileSet'
    | 'block'
    | 'cid'
    | 'receipt'
    | 'commitment'
    | 'urlHash'
    | 'leaf',
    string
  >[] &
    { level: Level; elements: string[] }[];
  deletions: { name: string; leafSalt: string; url: string; lastUpdated: number; leaf: string }[];
  tombstones: { leaves: number[]; time: number; leaf: string }[];
  accessHeads: { time: number; server: string; count: number; digest: string; leaf: string }[];
  challenges: { seed: string; size: number; leaves: number[] }[];
  consistencies: {
    name: string;
    oldSize: number;
    oldRoot: string;
    newSize: number;
    newRoot: string;
    path: string[];
    isConsistent: boolean;
  }[];
  disclosures: {
    name: string;
    elements: Record<'path' | 'json' | 'salt' | 'place', string>[];
    hidden: string[];
    commitment: string;
  }[];
  inclusions: { name: string; leaf: string; index: number; size: number; path: string[]; root: string }[];
  attestations: {
    name: string;
    chainId: number;
    contract: string;
    head: Record<string, string | number>;
    digest: string;
    signer: string;
    r: string;
    vs: string;
  }[];
}
const vectors = JSON.parse(readFileSync(file, 'utf8')) as Vectors;
const bytes = (hex: string) => new Uint8Array(Buffer.from(hex, 'hex'));

describe('the published test vectors', () => {
  for (const vector of vectors.versions)
    it(`of a leaf: ${vector.name}`, () => {
      const resource = parseJson(vector.resource) as { resourceType: string } & object;
      const [, baseUrl, reference] = /^(.*)\/(\w+\/[^/]+\/_history\/\d+)$/.exec(vector.url) ?? [];
      const tree = buildElementTree(resource, bytes(vector.leafSalt));
      assert.deepEqual(
        elementsOf(resource).map(({ path, text }) => `${path} = ${text}`),
        vector.elements,
      );
      assert.equal(toHex(tree.commitment), vector.commitment);
      assert.equal(toHex(hashUrl(urlSaltOf(bytes(vector.leafSalt)), vector.url)), vector.urlHash);
      assert.equal(cidOf(bytes(vector.block)), vector.cid);
      assert.equal(toHex(digestOfCid(vector.cid) ?? Buffer.of()), vector.block);
      const input = {
        reference,
        salt: bytes(vector.leafSalt),
        resource,
        block: bytes(vector.block),
        level: vector.level,
      };
      const { leaf } = makeLeaf(leafContext(bytes(vector.profileSet), baseUrl), {
        ...input,
        receiptDigest: bytes(vector.receipt),
      });
      assert.equal(toHex(leaf), vector.leaf);
    });

  it('of deletions, disclosures, inclusion paths and attestations', () => {
    for (const { leafSalt, url, lastUpdated, leaf } of vectors.deletions) {
      const context = leafContext(new Uint8Array(32), url.slice(0, url.indexOf('/Patient')));
      const reference = url.slice(url.indexOf('Patient'));
      assert.equal(toHex(makeDeletionLeaf(context, { reference, salt: bytes(leafSalt), lastUpdated }).leaf), leaf);
    }
    for (const { elements, hidden, commitment } of vectors.disclosures) {
      const disclosure = {
        elements: elements.map(({ path, json, salt, place }) => ({
          path,
          text: json,
          salt: bytes(salt),
          address: place,
        })),
        hidden: hidden.map((each) => ({ address: each.split(':')[0], hash: bytes(each.split(':')[1]) })),
      };
      assert.equal(toHex(commitmentOf(disclosure)), commitment);
    }
    for (const { leaf, index, size, path, root: expected } of vectors.inclusions)
      assert.equal(toHex(rootFromInclusion(bytes(leaf), index, size, path.map(bytes)) ?? Buffer.of()), expected);
    for (const { chainId, contract, head, digest, signer, r, vs } of vectors.attestations) {
      const statement = Object.fromEntries(
        Object.entries(head).map(([name, value]) => [name, typeof value === 'string' ? `0x${value}` : value]),
      ) as unknown as HeadStatement;
      const domain = { chainId, contract: `0x${contract}` as Hex };
      assert.equal(toHex(headDigest(domain, statement)), digest);
      assert.equal(recoverHeadSigner(domain, statement, { r: `0x${r}`, vs: `0x${vs}` }), `0x${signer}`);
    }
  });

  it('of tombstones, access heads, challenges and consistency proofs', () => {
    for (const { leaves, time, leaf } of vectors.tombstones) assert.equal(toHex(tombstoneLeaf(leaves, time)), leaf);
    for (const { digest, leaf, ...head } of vectors.accessHeads)
      assert.equal(toHex(accessLeaf({ ...head, digest: bytes(digest) })), leaf);
    for (const { seed, size, leaves } of vectors.challenges)
      assert.deepEqual(challengedLeaves({ seed: bytes(seed), size, count: leaves.length }), leaves);
    for (const { name, oldSize, oldRoot, newSize, newRoot, path, isConsistent: expected } of vectors.consistencies)
      assert.equal(isConsistent(oldSize, bytes(oldRoot), newSize, bytes(newRoot), path.map(bytes)), expected, name);
  });

  it('agree with the second implementation, and one with a changed digit does not', () => {
    const run = (args: string[], input?: string) =>
      spawnSync('python3', [`${root}tools/verify.py`, ...args], { encoding: 'utf8', input });
    const whole = run(['--vectors', file]);
    assert.equal(whole.status, 0, whole.stderr || String(whole.error));
    assert.match(whole.stdout, /^26 vectors agree/);
    const text = readFileSync(file, 'utf8');
    const { leaf } = vectors.versions[1];
    const wrong = run(['--vectors', '-'], text.replace(leaf, `0${leaf.slice(1)}`.replace(leaf, `1${leaf.slice(1)}`)));
    assert.equal(wrong.status, 1);
    assert.match(wrong.stderr, /decimals keep their text leaf: found/);
  });
});
