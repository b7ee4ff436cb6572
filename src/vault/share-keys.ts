/**
 * Keys that let somebody else read: the pure part of sharing.
 *
 * A **share** is what one recipient may read of one patient. It has epochs, each with a random key. The key of an epoch is sealed by HPKE for the
 * recipient's public key, once; each version that the recipient may read gets a **ticket**: its name and data key, sealed under the epoch's key. Taking
 * a permit back makes no key and seals nothing: there is no ticket for what comes later, and nobody else's share is touched.
 *
 * A **group** has epochs too, each with a seed from which its HPKE key pair follows. A member gets the newest seed, sealed for her own key; each seed
 * but the first seals the one before it. So a new member reads what was shared with the group before she came, and nobody who shared it has to help;
 * who was removed learns no later seed. (docs/decisions/0030-sharing-keys.md)
 */
import { type HpkeContext, type HpkeKeyPair, hpkeOpen, hpkeSeal, makeHpkeKeyPair } from './hpke.js';
import { KeyUnavailable } from './key-ring.js';
import { randomBytes } from './random.js';
import { keyBytes, nonceBytes, openBytes, sealBytes, SealBroken } from './xchacha.js';

/** What a ticket gives: which version it is, and the key of its blocks. */
export interface Ticket {
  /** `type/id/versionId`: what the contents are sealed for. */
  readonly reference: string;
  /** 32 bytes. */
  readonly dataKey: Uint8Array;
}

const text = (value: string) => Buffer.from(value, 'utf8');

const shareContext = (share: string, epoch: number): HpkeContext => ({
  info: text('mooring/share/1'),
  associated: text(`${share}#${epoch}`),
});

const memberContext = (group: string, epoch: number): HpkeContext => ({
  info: text('mooring/group/1'),
  associated: text(`${group}#${epoch}`),
});

/** The key of a new epoch: 32 random bytes. */
export function makeEpochKey(): Uint8Array {
  return randomBytes(keyBytes);
}

/** Seals an epoch's key for the recipient. @param share its name. @throws RangeError when `publicKey` is none. */
export function sealEpochKey(
  publicKey: Uint8Array,
  share: string,
  epoch: number,
  key: Uint8Array,
): Promise<Uint8Array> {
  return hpkeSeal(publicKey, shareContext(share, epoch), key);
}

/** @throws KeyUnavailable when it was sealed for somebody else, another share or epoch. */
export function openEpochKey(
  privateKey: Uint8Array,
  share: string,
  epoch: number,
  sealed: Uint8Array,
): Promise<Uint8Array> {
  return hpkeOpen(privateKey, shareContext(share, epoch), sealed);
}

/** `nonce (24) ‖ ciphertext ‖ tag (16)` of `data key (32) ‖ reference`, bound to share, epoch and CID. */
export function sealTicket(key: Uint8Array, share: string, epoch: number, cid: string, ticket: Ticket): Uint8Array {
  const nonce = randomBytes(nonceBytes);
  const sealed = sealBytes(key, nonce, text(`${share}#${epoch}/${cid}`), ticket.dataKey, text(ticket.reference));
  return Buffer.concat([nonce, sealed]);
}

/** @throws SealBroken when it is of another share, epoch or block, or altered. */
export function openTicket(key: Uint8Array, share: string, epoch: number, cid: string, sealed: Uint8Array): Ticket {
  const associated = text(`${share}#${epoch}/${cid}`);
  const opened = openBytes(key, sealed.subarray(0, nonceBytes), associated, sealed.subarray(nonceBytes));
  return { dataKey: opened.subarray(0, keyBytes), reference: opened.subarray(keyBytes).toString('utf8') };
}

/** One epoch of a group as anybody may see it. */
export interface GroupEpoch {
  readonly epoch: number;
  readonly publicKey: Uint8Array;
  /** The seed of the epoch before, sealed under this one's; absent for the first. */
  readonly before?: Uint8Array;
  /** This epoch's seed, sealed for each member by name. */
  readonly members: ReadonlyMap<string, Uint8Array>;
}

/** The key pair of a group's epoch. */
function groupKeyPair(seed: Uint8Array): Promise<HpkeKeyPair> {
  return makeHpkeKeyPair(seed);
}

/**
 * A new epoch of a group: for its members as they are now. One seal a member, whatever happened before.
 * @param before seed of the epoch before; absent for the first.
 */
export async function nextGroupEpoch(
  group: string,
  epoch: number,
  members: ReadonlyMap<string, Uint8Array>,
  before?: Uint8Array,
): Promise<{ readonly seed: Uint8Array; readonly public: GroupEpoch }> {
  const seed = randomBytes(keyBytes);
  const { publicKey } = await groupKeyPair(seed);
  const sealed = new Map<string, Uint8Array>();
  for (const [name, key] of members) sealed.set(name, await sealGroupSeed(key, group, epoch, seed));
  const link = before === undefined ? {} : { before: sealSeedBefore(seed, group, epoch, before) };
  return { seed, public: { epoch, publicKey, members: sealed, ...link } };
}

/** For a member who joins: the newest seed, sealed for her. One seal, however long the history. */
export function sealGroupSeed(
  publicKey: Uint8Array,
  group: string,
  epoch: number,
  seed: Uint8Array,
): Promise<Uint8Array> {
  return hpkeSeal(publicKey, memberContext(group, epoch), seed);
}

/**
 * The private keys of all epochs that a member can reach, by epoch: the newest that was sealed for her, and every one before it.
 * @throws KeyUnavailable when nothing was sealed for her, or the chain is altered.
 */
export async function groupPrivateKeys(
  group: string,
  epochs: readonly GroupEpoch[],
  member: string,
  privateKey: Uint8Array,
): Promise<Map<number, Uint8Array>> {
  const ascending = [...epochs].sort((a, b) => a.epoch - b.epoch);
  const newest = ascending.findLastIndex(({ members }) => members.has(member));
  const sealed = ascending[newest]?.members.get(member);
  if (sealed === undefined) throw new KeyUnavailable(`no key of the group is sealed for ${member}`);
  let seed = await hpkeOpen(privateKey, memberContext(group, ascending[newest].epoch), sealed);
  const keys = new Map<number, Uint8Array>();
  for (let at = newest; at >= 0; at -= 1) {
    const { epoch, before } = ascending[at];
    keys.set(epoch, (await groupKeyPair(seed)).privateKey);
    if (before === undefined) break;
    seed = openSeedBefore(seed, group, epoch, before);
  }
  return keys;
}

function sealSeedBefore(seed: Uint8Array, group: string, epoch: number, before: Uint8Array): Uint8Array {
  const nonce = randomBytes(nonceBytes);
  return Buffer.concat([nonce, sealBytes(seed, nonce, text(`mooring/group/1/${group}#${epoch}`), before)]);
}

function openSeedBefore(seed: Uint8Array, group: string, epoch: number, sealed: Uint8Array): Uint8Array {
  try {
    const associated = text(`mooring/group/1/${group}#${epoch}`);
    return openBytes(seed, sealed.subarray(0, nonceBytes), associated, sealed.subarray(nonceBytes));
  } catch (error) {
    if (error instanceof SealBroken) throw new KeyUnavailable('a link between epochs of the group does not open');
    throw error;
  }
}
