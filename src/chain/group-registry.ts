/** GroupRegistry: typed calls and events (contracts/IGroupRegistry.sol). Pure. */
import { fromHex, toHex } from '../base/bytes.js';
import { WordReader, bytes32Word, keccak, keccakText, selector, uintWord } from './abi.js';
import type { ChainLog, Hex } from './chain.js';

const CHANGE = selector('change(bytes32,bytes32[],bytes32[])');
const GROUP_OF = selector('groupOf(bytes32)');
const HOLDS = selector('holds(bytes32)');
const CHANGED_TOPIC = keccakText('MembershipsChanged(bytes32,uint32,bytes32[],bytes32[])');

/** What the chain knows of a group: keccak256 of its blinded term (32 digits). */
export function groupHandle(group: string): Hex {
  return `0x${toHex(keccak(fromHex(group)))}`;
}

/** What the chain knows of a membership: keccak256 of the blinded terms (32 digits each) of group and member. */
export function membershipOf(group: string, member: string): Hex {
  return `0x${toHex(keccak(fromHex(group + member)))}`;
}

/** Members to add and to remove, as memberships; at least one. */
export function encodeGroupChange(handle: Hex, added: readonly Hex[], removed: readonly Hex[]): Hex {
  const array = (items: readonly Hex[]) => uintWord(items.length) + items.map(bytes32Word).join('');
  const tails = [array(added), array(removed)] as const;
  const offsets = uintWord(3 * 32) + uintWord(3 * 32 + tails[0].length / 2);
  return `0x${CHANGE}${bytes32Word(handle)}${offsets}${tails.join('')}`;
}

export function encodeGroupOf(handle: Hex): Hex {
  return `0x${GROUP_OF}${bytes32Word(handle)}`;
}

/** @returns `organisation` undefined when there is no such group; `epoch` the number of its changes. */
export function decodeGroup(data: Hex): { organisation: Hex | undefined; epoch: number } {
  const words = new WordReader(data);
  return { organisation: words.bigint(0) === 0n ? undefined : words.bytes32(0), epoch: words.number(1) };
}

/** Calldata of `holds`; its return data is a boolean. */
export function encodeHolds(membership: Hex): Hex {
  return `0x${HOLDS}${bytes32Word(membership)}`;
}

export interface GroupEvent {
  readonly handle: Hex;
  readonly epoch: number;
  readonly added: readonly Hex[];
  readonly removed: readonly Hex[];
}

/** A `MembershipsChanged` event; undefined for any other. */
export function decodeGroupEvent({ topics, data }: Pick<ChainLog, 'topics' | 'data'>): GroupEvent | undefined {
  if (topics[0] !== CHANGED_TOPIC || topics.length !== 3) return undefined;
  const words = new WordReader(data);
  const array = (at: number) => {
    const start = words.number(at) / 32;
    return Array.from({ length: words.number(start) }, (_, i) => words.bytes32(start + 1 + i));
  };
  return {
    handle: topics[1] as Hex,
    epoch: new WordReader(topics[2] as Hex).number(0),
    added: array(0),
    removed: array(1),
  };
}
