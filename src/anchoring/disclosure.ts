/**
 * Showing some elements of a resource and hiding the rest, against one commitment.
 *
 * A disclosure is the part of the element tree that leads from the shown elements to its root. Whoever holds one can cut elements out of it, without the
 * server and without any key. Byte layout: docs/poi.md, "Disclosure".
 */
import { arity, elementHash, nodeHash, type ElementTree } from './element-tree.js';
import type { Element } from './elements.js';
import { hashBytes } from './merkle.js';

export interface ShownElement extends Element {
  /** 16 bytes. */
  readonly salt: Uint8Array;
  /** Place in the tree: one hexadecimal digit per level, from the root down. */
  readonly address: string;
}

export interface HiddenNode {
  /** Place in the tree: digits from the root down; shorter ones stand for whole nodes. */
  readonly address: string;
  readonly hash: Uint8Array;
}

export interface Disclosure {
  readonly elements: readonly ShownElement[];
  readonly hidden: readonly HiddenNode[];
}

/** A disclosure that is no tree: overlapping or missing places. */
export class DisclosureError extends Error {
  override readonly name = 'DisclosureError';
}

/** The disclosure of the elements that `isWanted` says, out of the whole tree. */
export function disclose(tree: ElementTree, isWanted: (path: string) => boolean): Disclosure {
  const hidden: HiddenNode[] = [];
  const shown = new Map<string, ShownElement>();
  tree.elements.forEach((element, index) => {
    if (!isWanted(element.path)) return;
    const address = addressOf(tree, index);
    shown.set(address, { ...element, salt: tree.salts.subarray(16 * index, 16 * index + 16), address });
  });
  const wantedNodes = new Set([...shown.keys()].flatMap((address) => prefixesOf(address)));
  const walk = (address: string, level: number, group: number): void => {
    const { hashes } = tree.levels[level];
    const below = level > 0 ? groupsByPlace(tree, level) : undefined;
    for (let digit = 0; digit < arity; digit += 1) {
      const [place, child] = [group * arity + digit, address + digit.toString(arity)];
      if (shown.has(child)) continue;
      const groupBelow = below?.get(place);
      if (groupBelow !== undefined && wantedNodes.has(child)) walk(child, level - 1, groupBelow);
      else hidden.push({ address: child, hash: hashes.subarray(place * hashBytes, (place + 1) * hashBytes) });
    }
  };
  if (shown.size === 0) return { elements: [], hidden: [{ address: '', hash: tree.commitment }] };
  walk('', tree.levels.length - 1, 0);
  return { elements: [...shown.values()], hidden };
}

/** The same disclosure without the elements that `isKept` refuses: what a holder does before passing it on. */
export function cut(disclosure: Disclosure, isKept: (path: string) => boolean): Disclosure {
  const elements = disclosure.elements.filter(({ path }) => isKept(path));
  const gone = disclosure.elements.filter(({ path }) => !isKept(path));
  const hidden = [
    ...disclosure.hidden,
    ...gone.map((element) => ({ address: element.address, hash: elementHash(element, element.salt) })),
  ];
  return { elements, hidden: folded(hidden) };
}

/** The commitment that a disclosure leads to. @throws DisclosureError when its parts are not a whole tree. */
export function commitmentOf(disclosure: Disclosure): Uint8Array {
  const nodes = new Map<string, Uint8Array>();
  const put = (address: string, hash: Uint8Array): void => {
    if (!/^[0-9a-f]*$/.test(address) || hash.byteLength !== hashBytes)
      throw new DisclosureError(`malformed node "${address}"`);
    if (nodes.has(address)) throw new DisclosureError(`two parts at place "${address}"`);
    nodes.set(address, hash);
  };
  for (const { address, hash } of disclosure.hidden) put(address, hash);
  const heights = new Set(disclosure.elements.map(({ address }) => address.length));
  if (heights.size > 1 || heights.has(0)) throw new DisclosureError('elements stand at different levels');
  for (const element of disclosure.elements) put(element.address, elementHash(element, element.salt));
  for (let depth = Math.max(0, ...[...nodes.keys()].map((address) => address.length)); depth > 0; depth -= 1) {
    const parents = new Set(
      [...nodes.keys()].filter(({ length }) => length === depth).map((address) => address.slice(0, -1)),
    );
    for (const parent of parents) {
      const children = childrenOf(parent).map((address) => nodes.get(address));
      const missing = children.indexOf(undefined);
      if (missing >= 0) throw new DisclosureError(`nothing at place "${parent}${missing.toString(arity)}"`);
      for (const address of childrenOf(parent)) nodes.delete(address);
      put(parent, nodeHash(Buffer.concat(children as Uint8Array[])));
    }
  }
  const root = nodes.get('');
  if (root === undefined) throw new DisclosureError('the disclosure is empty');
  return root;
}

/**
 * A predicate for element paths: `Observation.code` selects that element and everything in it; a selector without indexes selects all repetitions.
 */
export function selects(selectors: readonly string[]): (path: string) => boolean {
  return (path) => {
    const plain = path.replace(/\[\d+\]/g, '');
    return selectors.some((selector) => {
      const subject = selector.includes('[') ? path : plain;
      return subject === selector || subject.startsWith(`${selector}.`) || subject.startsWith(`${selector}[`);
    });
  };
}

function addressOf(tree: ElementTree, index: number): string {
  let [address, item] = ['', index];
  for (const { places } of tree.levels) {
    const place = places[item];
    address = (place % arity).toString(arity) + address;
    item = Math.floor(place / arity);
  }
  return address;
}

function groupsByPlace(tree: ElementTree, level: number): Map<number, number> {
  return new Map([...tree.levels[level].places].map((place, group) => [place, group]));
}

/** Nodes whose sixteen children are all hidden become one. */
function folded(hidden: readonly HiddenNode[]): HiddenNode[] {
  const nodes = new Map(hidden.map(({ address, hash }) => [address, hash]));
  for (let depth = Math.max(0, ...[...nodes.keys()].map(({ length }) => length)); depth > 0; depth -= 1) {
    const parents = new Set(
      [...nodes.keys()].filter(({ length }) => length === depth).map((address) => address.slice(0, -1)),
    );
    for (const parent of parents) {
      const children = childrenOf(parent).map((address) => nodes.get(address));
      if (children.includes(undefined)) continue;
      for (const address of childrenOf(parent)) nodes.delete(address);
      nodes.set(parent, nodeHash(Buffer.concat(children as Uint8Array[])));
    }
  }
  return [...nodes].map(([address, hash]) => ({ address, hash }));
}

function childrenOf(parent: string): string[] {
  return Array.from({ length: arity }, (_, digit) => parent + digit.toString(arity));
}

function prefixesOf(address: string): string[] {
  return Array.from({ length: address.length }, (_, length) => address.slice(0, length));
}
