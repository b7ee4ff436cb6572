/**
 * The Merkle tree of RFC 6962: roots, inclusion and consistency proofs, and their checks.
 *
 * Pure. A tree is given as `NodeSource`: hashes of complete subtrees by (level, index); level 0 are the leaf hashes, node (l, i) spans the leaves
 * [i·2^l, (i+1)·2^l). Sizes up to 2^53. Spec: RFC 6962 section 2.1, RFC 9162 sections 2.1.3 and 2.1.4.
 */
import { hash } from 'node:crypto';
import { sameBytes, sha256 } from '../base/bytes.js';

export const hashBytes = 32;

/** Hash of the complete subtree at (level, index). Asked only for subtrees that lie inside the tree. */
export type NodeSource = (level: number, index: number) => Uint8Array;

/** Root of the tree without leaves: SHA-256 of nothing. */
export const emptyRoot: Uint8Array = sha256(new Uint8Array(0));

const pair = Buffer.alloc(1 + 2 * hashBytes, 0x01);

/** SHA-256(0x01 ‖ left ‖ right). */
export function hashChildren(left: Uint8Array, right: Uint8Array): Buffer {
  pair.set(left, 1);
  pair.set(right, 1 + hashBytes);
  return hash('sha256', pair, 'buffer');
}

/** The row above `row`: hashes of neighbouring pairs. `row` holds an even number of packed hashes. */
export function hashRow(row: Uint8Array): Buffer {
  const above = Buffer.allocUnsafe(row.byteLength / 2);
  for (let at = 0; at < above.length; at += hashBytes) {
    pair.set(row.subarray(2 * at, 2 * at + 2 * hashBytes), 1);
    above.write(hash('sha256', pair, 'binary'), at, hashBytes, 'binary');
  }
  return above;
}

/** Root of the first `size` leaves. */
export function treeRoot(size: number, source: NodeSource): Uint8Array {
  return size === 0 ? emptyRoot : subtreeRoot(0, size, source);
}

/** PATH(index, D[size]): siblings from the leaf upwards. @throws RangeError when there is no such leaf. */
export function inclusionProof(index: number, size: number, source: NodeSource): Uint8Array[] {
  if (!(index >= 0 && index < size)) throw new RangeError(`no leaf ${index} in a tree of ${size}`);
  const siblings: Uint8Array[] = [];
  let [begin, end] = [0, size];
  while (end - begin > 1) {
    const middle = begin + splitOf(end - begin);
    if (index < middle) {
      siblings.push(subtreeRoot(middle, end, source));
      end = middle;
    } else {
      siblings.push(subtreeRoot(begin, middle, source));
      begin = middle;
    }
  }
  return siblings.reverse();
}

/** PROOF(oldSize, D[newSize]). @throws RangeError unless 0 < oldSize <= newSize. */
export function consistencyProof(oldSize: number, newSize: number, source: NodeSource): Uint8Array[] {
  if (!(oldSize > 0 && oldSize <= newSize)) throw new RangeError(`no consistency proof from ${oldSize} to ${newSize}`);
  const nodes: Uint8Array[] = [];
  let [begin, end, isOldRoot] = [0, newSize, true];
  while (oldSize !== end) {
    const middle = begin + splitOf(end - begin);
    if (oldSize <= middle) {
      nodes.push(subtreeRoot(middle, end, source));
      end = middle;
    } else {
      nodes.push(subtreeRoot(begin, middle, source));
      begin = middle;
      isOldRoot = false;
    }
  }
  if (!isOldRoot) nodes.push(subtreeRoot(begin, end, source));
  return nodes.reverse();
}

/** The root that `leaf` at `index` of `size` leaves leads to; undefined when the proof has the wrong length. */
export function rootFromInclusion(
  leaf: Uint8Array,
  index: number,
  size: number,
  proof: readonly Uint8Array[],
): Uint8Array | undefined {
  if (!Number.isSafeInteger(index) || !Number.isSafeInteger(size) || index < 0 || index >= size) return undefined;
  let [position, last, root] = [index, size - 1, leaf];
  for (const sibling of proof) {
    if (last === 0 || sibling.byteLength !== hashBytes) return undefined;
    if (position % 2 === 1 || position === last) {
      root = hashChildren(sibling, root);
      while (position % 2 === 0 && position !== 0) [position, last] = [position / 2, half(last)];
    } else {
      root = hashChildren(root, sibling);
    }
    [position, last] = [half(position), half(last)];
  }
  return last === 0 ? root : undefined;
}

/** True when the tree (newSize, newRoot) extends the tree (oldSize, oldRoot), 0 < oldSize <= newSize. */
export function isConsistent(
  oldSize: number,
  oldRoot: Uint8Array,
  newSize: number,
  newRoot: Uint8Array,
  proof: readonly Uint8Array[],
): boolean {
  if (!Number.isSafeInteger(oldSize) || !Number.isSafeInteger(newSize) || oldSize < 1 || oldSize > newSize)
    return false;
  if (proof.some((node) => node.byteLength !== hashBytes)) return false;
  if (oldSize === newSize) return proof.length === 0 && sameBytes(oldRoot, newRoot);
  const nodes = isPowerOfTwo(oldSize) ? [oldRoot, ...proof] : [...proof];
  if (nodes.length === 0) return false;
  let [position, last] = [oldSize - 1, newSize - 1];
  while (position % 2 === 1) [position, last] = [half(position), half(last)];
  let [oldSeen, newSeen] = [nodes[0], nodes[0]];
  for (const node of nodes.slice(1)) {
    if (last === 0) return false;
    if (position % 2 === 1 || position === last) {
      oldSeen = hashChildren(node, oldSeen);
      newSeen = hashChildren(node, newSeen);
      while (position % 2 === 0 && position !== 0) [position, last] = [position / 2, half(last)];
    } else {
      newSeen = hashChildren(newSeen, node);
    }
    [position, last] = [half(position), half(last)];
  }
  return last === 0 && sameBytes(oldSeen, oldRoot) && sameBytes(newSeen, newRoot);
}

/** MTH(D[begin:end]); `begin` is a multiple of every power of two that the range splits at. */
function subtreeRoot(begin: number, end: number, source: NodeSource): Uint8Array {
  const size = end - begin;
  if (isPowerOfTwo(size)) return source(Math.log2(size), begin / size);
  const middle = begin + splitOf(size);
  return hashChildren(subtreeRoot(begin, middle, source), subtreeRoot(middle, end, source));
}

/** Largest power of two less than `size` (size > 1). */
function splitOf(size: number): number {
  const power = 2 ** Math.floor(Math.log2(size));
  return power === size ? size / 2 : power;
}

function isPowerOfTwo(size: number): boolean {
  return Number.isInteger(Math.log2(size)) && 2 ** Math.log2(size) === size;
}

function half(value: number): number {
  return Math.floor(value / 2);
}
