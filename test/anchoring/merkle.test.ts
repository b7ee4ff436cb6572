import { describe, it } from 'node:test';
import assert from 'node:assert/strict';
import { sha256, toHex } from '../../src/base/bytes.js';
import {
  consistencyProof,
  emptyRoot,
  hashChildren,
  inclusionProof,
  isConsistent,
  rootFromInclusion,
  treeRoot,
  type NodeSource,
} from '../../src/anchoring/merkle.js';

/** The tree as RFC 6962 writes it down, without any cleverness. */
function naiveRoot(leaves: readonly Uint8Array[]): Uint8Array {
  if (leaves.length === 0) return sha256(new Uint8Array(0));
  if (leaves.length === 1) return leaves[0];
  let split = 1;
  while (split * 2 < leaves.length) split *= 2;
  return sha256(Buffer.of(1), naiveRoot(leaves.slice(0, split)), naiveRoot(leaves.slice(split)));
}

function sourceOf(leaves: readonly Uint8Array[]): NodeSource {
  const node: NodeSource = (level, index) => {
    assert.ok(
      (index + 1) * 2 ** level <= leaves.length,
      `asked for node (${level}, ${index}) outside ${leaves.length}`,
    );
    return level === 0 ? leaves[index] : hashChildren(node(level - 1, 2 * index), node(level - 1, 2 * index + 1));
  };
  return node;
}

/** Inputs and roots that the Certificate Transparency implementations share for RFC 6962. */
const published = {
  inputs: ['', '00', '10', '2021', '3031', '40414243', '5051525354555657', '606162636465666768696a6b6c6d6e6f'],
  roots: [
    '6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d',
    'fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125',
    'aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77',
    'd37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7',
    '4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4',
    '76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef',
    'ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c',
    '5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328',
  ],
};
const publishedLeaves = published.inputs.map((input) => sha256(Buffer.of(0), Buffer.from(input, 'hex')));
const randomLeaves = Array.from({ length: 300 }, (_, index) => sha256(Buffer.from(`leaf ${index}`)));

describe('the Merkle tree of RFC 6962', () => {
  it('has the published roots for the published inputs', () => {
    assert.equal(toHex(emptyRoot), 'e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855');
    for (const [index, root] of published.roots.entries())
      assert.equal(toHex(treeRoot(index + 1, sourceOf(publishedLeaves))), root);
  });

  it('has the root of the naive definition at every size', () => {
    for (let size = 0; size <= 130; size += 1)
      assert.deepEqual(toHex(treeRoot(size, sourceOf(randomLeaves))), toHex(naiveRoot(randomLeaves.slice(0, size))));
  });

  it('leads from every leaf of every size to the root, and from no other place', () => {
    for (const size of [1, 2, 3, 4, 5, 7, 8, 31, 32, 33, 100, 257]) {
      const root = toHex(naiveRoot(randomLeaves.slice(0, size)));
      for (let index = 0; index < size; index += 1) {
        const proof = inclusionProof(index, size, sourceOf(randomLeaves));
        assert.equal(toHex(rootFromInclusion(randomLeaves[index], index, size, proof) ?? Buffer.of()), root);
        const elsewhere = rootFromInclusion(randomLeaves[index], (index + 1) % size, size, proof);
        if (size > 1) assert.notEqual(elsewhere && toHex(elsewhere), root);
      }
    }
  });

  it('refuses inclusion proofs that are too short, too long, or have one byte changed', () => {
    const proof = inclusionProof(5, 100, sourceOf(randomLeaves));
    const root = toHex(naiveRoot(randomLeaves.slice(0, 100)));
    const rootOf = (nodes: readonly Uint8Array[]) => {
      const found = rootFromInclusion(randomLeaves[5], 5, 100, nodes);
      return found && toHex(found);
    };
    assert.equal(rootOf(proof), root);
    assert.equal(rootOf(proof.slice(0, -1)), undefined);
    assert.equal(rootOf([...proof, proof[0]]), undefined);
    for (let at = 0; at < proof.length; at += 1) {
      const changed = proof.map((node, index) =>
        index === at ? node.map((byte, i) => (i === 7 ? byte ^ 1 : byte)) : node,
      );
      assert.notEqual(rootOf(changed), root);
    }
  });

  it('shows for every pair of sizes that the larger tree extends the smaller, and does not show it of another tree', () => {
    const source = sourceOf(randomLeaves);
    const roots = Array.from({ length: 71 }, (_, size) => treeRoot(size, source));
    for (let newSize = 1; newSize <= 70; newSize += 1)
      for (let oldSize = 1; oldSize <= newSize; oldSize += 1) {
        const proof = consistencyProof(oldSize, newSize, source);
        assert.ok(isConsistent(oldSize, roots[oldSize], newSize, roots[newSize], proof), `${oldSize} -> ${newSize}`);
        const forked = roots[oldSize].map((byte, at) => (at === 0 ? byte ^ 1 : byte));
        assert.ok(!isConsistent(oldSize, forked, newSize, roots[newSize], proof), `forked ${oldSize} -> ${newSize}`);
        if (oldSize < newSize) {
          assert.ok(!isConsistent(newSize, roots[newSize], oldSize, roots[oldSize], proof), 'a log does not shrink');
          assert.ok(!isConsistent(oldSize, roots[oldSize], newSize, roots[newSize], [...proof, roots[1]]));
          assert.ok(!isConsistent(oldSize, roots[oldSize], newSize, roots[newSize], proof.slice(0, -1)));
        }
      }
  });

  it('counts beyond 32 bits', () => {
    const size = 2 ** 40 + 3;
    const filler = sha256(Buffer.of(9));
    const proof = inclusionProof(2 ** 40 + 1, size, () => filler);
    assert.ok(rootFromInclusion(filler, 2 ** 40 + 1, size, proof));
    assert.equal(rootFromInclusion(filler, 1, size, proof), undefined);
  });
});
