/**
 * The bundle of a share: one JSON document with everything but the recipient's private key and the blocks. It can be kept anywhere: in IPFS, on a
 * stick, at the recipient's. Whoever finds it learns how many versions were shared, when the keys changed, and their CIDs.
 *
 *     { "format": "mooring-share-1", "share": NAME,
 *       "epochs":  [{ "epoch": 0, "for": base64url public key, "key": base64url HPKE }],
 *       "tickets": [{ "epoch": 0, "cid": CID, "ticket": base64url }],
 *       "group":   { "name": NAME, "epochs": [{ "epoch": 0, "publicKey": …, "before": …, "members": { NAME: … } }] }    for groups alone }
 */
import type { BlockDigest } from '../base/ids.js';
import { toHex } from '../base/bytes.js';
import { hpkePublicKey } from './hpke.js';
import { KeyUnavailable } from './key-ring.js';
import { openContent } from './sealing.js';
import { type GroupEpoch, type Ticket, groupPrivateKeys, openEpochKey, openTicket } from './share-keys.js';

const format = 'mooring-share-1';

export interface ShareBundle {
  readonly format: typeof format;
  readonly share: string;
  readonly epochs: readonly { readonly epoch: number; readonly for: string; readonly key: string }[];
  readonly tickets: readonly { readonly epoch: number; readonly cid: string; readonly ticket: string }[];
  readonly group?: GroupBundle;
}

export interface GroupBundle {
  readonly name: string;
  readonly epochs: readonly {
    readonly epoch: number;
    readonly publicKey: string;
    readonly before?: string;
    readonly members: Readonly<Record<string, string>>;
  }[];
}

/** A version that was shared: where its block is, and how it opens. */
export interface SharedVersion extends Ticket {
  readonly cid: string;
}

const bytes = (value: string) => new Uint8Array(Buffer.from(value, 'base64url'));
export const base64url = (value: Uint8Array): string => Buffer.from(value).toString('base64url');

export function emptyBundle(share: string): ShareBundle {
  return { format, share, epochs: [], tickets: [] };
}

/** @throws RangeError when the text is no bundle. */
export function parseBundle(textOfBundle: string): ShareBundle {
  let parsed: unknown;
  try {
    parsed = JSON.parse(textOfBundle);
  } catch {
    throw new RangeError('the bundle is no JSON');
  }
  const bundle = parsed as Partial<ShareBundle> | null;
  if (bundle?.format !== format || !Array.isArray(bundle.epochs) || !Array.isArray(bundle.tickets)) {
    throw new RangeError(`the bundle is not of the format ${format}`);
  }
  return bundle as ShareBundle;
}

/**
 * Everything in the bundle that opens with a private key: the recipient's own, or a member's of the group that it is for.
 * @param member the name under which the group knows the holder; for bundles of groups.
 * @throws KeyUnavailable when nothing in it is for this key, SealBroken when a ticket was altered.
 */
export async function openBundle(
  bundle: ShareBundle,
  privateKey: Uint8Array,
  member?: string,
): Promise<SharedVersion[]> {
  const keys = await recipientKeys(bundle, privateKey, member);
  const epochKeys = new Map<number, Uint8Array>();
  for (const { epoch, for: recipient, key } of bundle.epochs) {
    const own = keys.get(toHex(bytes(recipient)));
    if (own !== undefined) epochKeys.set(epoch, await openEpochKey(own, bundle.share, epoch, bytes(key)));
  }
  if (epochKeys.size === 0 && bundle.epochs.length > 0)
    throw new KeyUnavailable('nothing in the bundle is for this key');
  return bundle.tickets.flatMap(({ epoch, cid, ticket }) => {
    const key = epochKeys.get(epoch);
    return key === undefined ? [] : [{ cid, ...openTicket(key, bundle.share, epoch, cid, bytes(ticket)) }];
  });
}

/** The JSON bytes of a shared version, as they were committed. @param fetch bytes of a block, checked against its digest. @throws SealBroken. */
export function openShared(
  version: SharedVersion,
  block: Uint8Array,
  fetch: (digest: BlockDigest) => Promise<Uint8Array>,
): Promise<Uint8Array> {
  return openContent(version.dataKey, version.reference, block, fetch);
}

export function toGroupBundle(name: string, epochs: readonly GroupEpoch[]): GroupBundle {
  return {
    name,
    epochs: epochs.map(({ epoch, publicKey, before, members }) => ({
      epoch,
      publicKey: base64url(publicKey),
      ...(before === undefined ? {} : { before: base64url(before) }),
      members: Object.fromEntries([...members].map(([member, sealed]) => [member, base64url(sealed)])),
    })),
  };
}

export function fromGroupBundle({ epochs }: GroupBundle): GroupEpoch[] {
  return epochs.map(({ epoch, publicKey, before, members }) => ({
    epoch,
    publicKey: bytes(publicKey),
    ...(before === undefined ? {} : { before: bytes(before) }),
    members: new Map(Object.entries(members).map(([member, sealed]) => [member, bytes(sealed)])),
  }));
}

/** Private keys that may open epochs of the bundle, by their public keys. */
async function recipientKeys(
  { group }: ShareBundle,
  privateKey: Uint8Array,
  member: string | undefined,
): Promise<Map<string, Uint8Array>> {
  if (group === undefined) return new Map([[toHex(hpkePublicKey(privateKey)), privateKey]]);
  if (member === undefined) throw new KeyUnavailable('the bundle is for a group: say which member you are');
  const keys = await groupPrivateKeys(group.name, fromGroupBundle(group), member, privateKey);
  return new Map([...keys.values()].map((key) => [toHex(hpkePublicKey(key)), key]));
}
