/**
 * One share: what one recipient may read of one patient. Its durable form, and the few steps that change it.
 *
 * Counting: `addTicket` makes one key and one HPKE seal when the recipient's key is another than before (also the first time), and nothing of the kind
 * otherwise. There is no step for a revocation: without a permit there is no ticket.
 */
import type { KeyRing } from '../../vault/key-ring.js';
import { base64url, emptyBundle, type GroupBundle, type ShareBundle } from '../../vault/share-bundle.js';
import { makeEpochKey, sealEpochKey, sealTicket, type Ticket } from '../../vault/share-keys.js';

/** As it is kept: everything but the tickets. Base64url texts. */
export interface StoredShare {
  /** Random name, unlinkable to patient and recipient. */
  readonly name: string;
  /** Reference of the organisation or group. */
  readonly recipient: string;
  epochs: { readonly epoch: number; readonly for: string; readonly key: string }[];
  /** The newest epoch's key, wrapped by the key ring. */
  wrapped?: string;
  /** Pages of tickets that are full or begun. */
  pages: number;
}

/** A ticket as it is kept: with the version's leaf, so that none is made twice. */
export type StoredTicket = ShareBundle['tickets'][number];

export const ticketsPerPage = 200;

export class Share {
  /** CIDs that have a ticket. */
  readonly cids = new Set<string>();
  /** The page that is being filled. */
  page: StoredTicket[] = [];

  constructor(
    readonly stored: StoredShare,
    private readonly ring: Pick<KeyRing, 'wrap' | 'unwrap'>,
    private readonly sealKey: typeof sealEpochKey = sealEpochKey,
  ) {}

  get recipient(): string {
    return this.stored.recipient;
  }

  /** Lets the recipient open one more version. @param publicKey the recipient's, as it is now. */
  async addTicket(cid: string, ticket: Ticket, publicKey: Uint8Array): Promise<void> {
    if (this.cids.has(cid)) return;
    const { epoch, key } = await this.epochFor(publicKey);
    if (this.page.length === ticketsPerPage || this.stored.pages === 0) {
      this.page = [];
      this.stored.pages += 1;
    }
    const { name } = this.stored;
    this.page.push({ epoch, cid, ticket: base64url(sealTicket(key, name, epoch, cid, ticket)) });
    this.cids.add(cid);
    key.fill(0);
  }

  /** @param tickets of all pages. @param group keys of the group, where the recipient is one. */
  bundle(tickets: readonly StoredTicket[], group?: GroupBundle): ShareBundle {
    const { name, epochs } = this.stored;
    return { ...emptyBundle(name), epochs, tickets, ...(group === undefined ? {} : { group }) };
  }

  private async epochFor(publicKey: Uint8Array): Promise<{ epoch: number; key: Uint8Array }> {
    const { stored } = this;
    const newest = stored.epochs.at(-1);
    const recipient = base64url(publicKey);
    if (newest?.for === recipient && stored.wrapped !== undefined) {
      return { epoch: newest.epoch, key: this.ring.unwrap(Buffer.from(stored.wrapped, 'base64url')) };
    }
    const epoch = (newest?.epoch ?? -1) + 1;
    const key = makeEpochKey();
    const sealed = await this.sealKey(publicKey, stored.name, epoch, key);
    stored.epochs.push({ epoch, for: recipient, key: base64url(sealed) });
    stored.wrapped = base64url(this.ring.wrap(key));
    return { epoch, key };
  }
}
