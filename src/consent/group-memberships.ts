/** Puts the members of a Group on the chain, blinded, and takes those off who left (contracts/IGroupRegistry.sol). */
import { decodeBoolean } from '../chain/anchor-log.js';
import type { Chain, Hex } from '../chain/chain.js';
import { encodeGroupChange, encodeHolds, groupHandle, membershipOf } from '../chain/group-registry.js';
import { type RelayChain, relayCall } from '../chain/relay.js';
import type { Blinder } from './blinder.js';
import { referenceTerm } from './terms.js';

export interface MembershipServices {
  /** With the key of the organisation's relay. */
  readonly chain: RelayChain & Pick<Chain, 'call'>;
  /** Address of the GroupRegistry. */
  readonly groups: Hex;
  readonly blinder: Blinder;
  /** Durable small state. */
  readonly store: { read<T>(name: string): Promise<T | undefined>; write(name: string, value: unknown): Promise<void> };
}

export interface MembershipChange {
  readonly added: number;
  readonly removed: number;
  readonly txHash?: Hex;
}

/** Members in one transaction: each costs about 25,000 gas. */
const MOST_AT_ONCE = 200;

/**
 * Makes `members` (references) the members of the group on the chain; mined when it resolves. The group belongs to itself, so that what is
 * permitted to it can be shared with it.
 * @throws CallReverted when another organisation founded the group; ChainUnavailable.
 */
export async function publishMembers(
  { chain, groups, blinder, store }: MembershipServices,
  group: string,
  members: readonly string[],
): Promise<MembershipChange> {
  const term = (reference: string) => blinder.term(referenceTerm('actor', reference));
  const own = term(group);
  const wanted = new Set([group, ...members].map((member) => membershipOf(own, term(member))));
  const stateName = `share/members/${groupHandle(own).slice(2)}`;
  // What was published before; a crash between the chain and this state shows in what the chain holds.
  const before = new Set((await store.read<Hex[]>(stateName)) ?? []);
  const holds = async (membership: Hex) => decodeBoolean(await chain.call(groups, encodeHolds(membership)));
  const added: Hex[] = [];
  const removed: Hex[] = [];
  for (const one of wanted) if (!(await holds(one))) added.push(one);
  for (const one of before) if (!wanted.has(one) && (await holds(one))) removed.push(one);
  // Known before it is sent: what a crash leaves on the chain can be taken off.
  await store.write(stateName, [...new Set([...before, ...wanted])]);
  let txHash: Hex | undefined;
  while (added.length + removed.length > 0) {
    const [leaving, joining] = [removed.splice(0, MOST_AT_ONCE), added.splice(0, MOST_AT_ONCE)];
    ({ txHash } = await relayCall(chain, groups, encodeGroupChange(groupHandle(own), joining, leaving)));
  }
  const change = { added: [...wanted].filter((one) => !before.has(one)).length, removed: 0 };
  await store.write(stateName, [...wanted]);
  const gone = [...before].filter((one) => !wanted.has(one)).length;
  return { ...change, removed: gone, ...(txHash === undefined ? {} : { txHash }) };
}
