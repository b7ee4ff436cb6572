/**
 * The keys of groups that this organisation manages: one key pair an epoch, its seed sealed for each member.
 *
 * Who joins gets the newest seed alone, and reaches the older ones through it; when somebody leaves, the next epoch is for those who stay. Whoever
 * shares with the group needs the newest public key and nothing else.
 */
import { createHash } from 'node:crypto';
import type { KeyRing } from '../../vault/key-ring.js';
import { randomBytes } from '../../vault/random.js';
import { base64url, fromGroupBundle, type GroupBundle, toGroupBundle } from '../../vault/share-bundle.js';
import { nextGroupEpoch, sealGroupSeed } from '../../vault/share-keys.js';
import type { ShareStore } from './share-store.js';

interface StoredGroup {
  /** Random name, unlinkable to the Group. */
  readonly name: string;
  /** HPKE public keys by the name that the group knows a member by (base64url); names are random too, by reference. */
  members: Record<string, { readonly name: string; readonly publicKey: string }>;
  bundle: GroupBundle;
  /** The newest seed, wrapped by the key ring. */
  wrapped: string;
}

/** What a change did. */
export interface GroupChange {
  readonly epoch: number;
  readonly added: readonly string[];
  readonly removed: readonly string[];
  /** HPKE seals that it took. */
  readonly seals: number;
}

export class GroupKeys {
  constructor(
    private readonly store: Pick<ShareStore, 'read' | 'write'>,
    private readonly ring: Pick<KeyRing, 'wrap' | 'unwrap'>,
  ) {}

  /** The newest public key of a group; undefined when it has none. */
  async keyOf(group: string): Promise<Uint8Array | undefined> {
    const newest = (await this.bundleOf(group))?.epochs.at(-1);
    return newest === undefined ? undefined : new Uint8Array(Buffer.from(newest.publicKey, 'base64url'));
  }

  /** What members need to open what was shared with the group. */
  async bundleOf(group: string): Promise<GroupBundle | undefined> {
    return (await this.store.read<StoredGroup>(stateName(group)))?.bundle;
  }

  /** Names by which the bundle knows the members, by reference. */
  async namesOf(group: string): Promise<ReadonlyMap<string, string>> {
    const members = (await this.store.read<StoredGroup>(stateName(group)))?.members ?? {};
    return new Map(Object.entries(members).map(([reference, { name }]) => [reference, name]));
  }

  /**
   * Makes `members` the members of the group, with these public keys. Joining costs one seal each; when anybody leaves (or changes keys) there is
   * a new epoch, with one seal for each who stays.
   */
  async setMembers(group: string, members: ReadonlyMap<string, Uint8Array>): Promise<GroupChange> {
    const stored = await this.store.read<StoredGroup>(stateName(group));
    const before = stored?.members ?? {};
    const removed = Object.keys(before).filter((one) => before[one]!.publicKey !== encoded(members.get(one)));
    const added = [...members.keys()].filter((one) => before[one]?.publicKey !== encoded(members.get(one)));
    const epoch = stored?.bundle.epochs.at(-1)?.epoch ?? -1;
    if (stored !== undefined && added.length + removed.length === 0) return { epoch, added, removed, seals: 0 };
    const named = Object.fromEntries(
      [...members].map(([reference, publicKey]) => {
        const name = before[reference]?.name ?? base64url(randomBytes(12));
        return [reference, { name, publicKey: base64url(publicKey) }];
      }),
    );
    const next =
      stored === undefined || removed.length > 0
        ? await this.#newEpoch(stored, named, members)
        : await this.#joined(stored, named, members, added);
    await this.store.write(stateName(group), next.stored);
    return { epoch: next.stored.bundle.epochs.at(-1)!.epoch, added, removed, seals: next.seals };
  }

  async #newEpoch(
    stored: StoredGroup | undefined,
    named: StoredGroup['members'],
    members: ReadonlyMap<string, Uint8Array>,
  ): Promise<{ stored: StoredGroup; seals: number }> {
    const name = stored?.name ?? base64url(randomBytes(16));
    const epochs = stored === undefined ? [] : fromGroupBundle(stored.bundle);
    const keys = new Map([...members].map(([reference, key]) => [named[reference]!.name, key]));
    const before = stored === undefined ? undefined : this.ring.unwrap(Buffer.from(stored.wrapped, 'base64url'));
    const next = await nextGroupEpoch(name, (epochs.at(-1)?.epoch ?? -1) + 1, keys, before);
    const bundle = toGroupBundle(name, [...epochs, next.public]);
    return {
      stored: { name, members: named, bundle, wrapped: base64url(this.ring.wrap(next.seed)) },
      seals: members.size,
    };
  }

  async #joined(
    stored: StoredGroup,
    named: StoredGroup['members'],
    members: ReadonlyMap<string, Uint8Array>,
    added: readonly string[],
  ): Promise<{ stored: StoredGroup; seals: number }> {
    const newest = stored.bundle.epochs.at(-1)!;
    const seed = this.ring.unwrap(Buffer.from(stored.wrapped, 'base64url'));
    const sealed: Record<string, string> = {};
    for (const reference of added) {
      const box = await sealGroupSeed(members.get(reference)!, stored.name, newest.epoch, seed);
      sealed[named[reference]!.name] = base64url(box);
    }
    const epochs = [...stored.bundle.epochs.slice(0, -1), { ...newest, members: { ...newest.members, ...sealed } }];
    return { stored: { ...stored, members: named, bundle: { ...stored.bundle, epochs } }, seals: added.length };
  }
}

const encoded = (key: Uint8Array | undefined) => (key === undefined ? undefined : base64url(key));

function stateName(group: string): string {
  return `share/group/${createHash('sha256').update(group).digest('hex')}`;
}
