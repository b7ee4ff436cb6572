/**
 * Where shares are kept: small state of the catalog, sealed under a key of the ring, for it names patients and recipients.
 *
 * Durability: `save` is durable when it resolves. Pages of tickets are written before the share that counts them. Each share has a place of its own,
 * and those that are not open are not read: what was revoked costs nothing.
 */
import { createHmac } from 'node:crypto';
import type { Catalog } from '../../commit/catalog.js';
import type { KeyRing } from '../../vault/key-ring.js';
import { randomBytes } from '../../vault/random.js';
import { nonceBytes, openBytes, sealBytes } from '../../vault/xchacha.js';
import { Share, type StoredShare, type StoredTicket, ticketsPerPage } from './share.js';

export interface ShareStoreServices {
  readonly state: Pick<Catalog, 'getState' | 'putState'>;
  readonly ring: Pick<KeyRing, 'wrap' | 'unwrap' | 'derive'>;
}

const listName = 'share/patients';

export class ShareStore {
  readonly #services: ShareStoreServices;
  readonly #key: Uint8Array;

  constructor(services: ShareStoreServices) {
    this.#services = services;
    this.#key = services.ring.derive('share');
  }

  /** Patients (ids) who share anything. */
  async patients(): Promise<string[]> {
    return (await this.read<string[]>(listName)) ?? [];
  }

  savePatients(ids: readonly string[]): Promise<void> {
    return this.write(listName, ids);
  }

  /** The open shares of a patient, ready to take tickets. */
  async loadOpen(patientId: string): Promise<Share[]> {
    const names = (await this.read<string[]>(this.#indexName('open', patientId))) ?? [];
    const shares = await Promise.all(names.map((name) => this.load(name)));
    return shares.filter((share) => share !== undefined);
  }

  saveOpen(patientId: string, shares: readonly Share[]): Promise<void> {
    return this.write(
      this.#indexName('open', patientId),
      shares.map(({ stored }) => stored.name),
    );
  }

  /** The share of a recipient, open or not; undefined when there was never one. */
  async load(name: string): Promise<Share | undefined> {
    const stored = await this.read<StoredShare>(shareName(name));
    if (stored === undefined) return undefined;
    const share = new Share(stored, this.#services.ring);
    const tickets = await this.tickets(stored);
    for (const { cid } of tickets) share.cids.add(cid);
    share.page = tickets.slice((stored.pages - 1) * ticketsPerPage);
    return share;
  }

  /** A share that was never there; known for erasure before anything is in it. */
  async make(patientId: string, recipient: string): Promise<Share> {
    const name = this.nameOf(patientId, recipient);
    const index = this.#indexName('all', patientId);
    const all = (await this.read<string[]>(index)) ?? [];
    if (!all.includes(name)) await this.write(index, [...all, name]);
    const share = new Share({ name, recipient, epochs: [], pages: 0 }, this.#services.ring);
    await this.save(share);
    return share;
  }

  /** Writes the page that was begun, then the share. */
  async save(share: Share): Promise<void> {
    if (share.stored.pages > 0) await this.savePage(share);
    await this.write(shareName(share.stored.name), share.stored);
  }

  /** A page that is full is written before the next one is begun. */
  savePage({ stored, page }: Share): Promise<void> {
    return this.write(pageName(stored.name, stored.pages - 1), page);
  }

  async tickets({ name, pages }: StoredShare): Promise<StoredTicket[]> {
    const all = await Promise.all(
      Array.from({ length: pages }, (_, page) => this.read<StoredTicket[]>(pageName(name, page))),
    );
    return all.flatMap((page) => page ?? []);
  }

  /** Keys of everything that is kept of a patient's shares: for erasure. */
  async statesOf(patientId: string): Promise<string[]> {
    const names = (await this.read<string[]>(this.#indexName('all', patientId))) ?? [];
    if (names.length === 0) return [];
    const states = [this.#indexName('all', patientId), this.#indexName('open', patientId)];
    for (const name of names) {
      const { pages = 0 } = (await this.read<StoredShare>(shareName(name))) ?? {};
      states.push(shareName(name), ...Array.from({ length: pages }, (_, page) => pageName(name, page)));
    }
    return states;
  }

  /** Name of a share: follows from patient and recipient, and tells nobody without the key about them. */
  nameOf(patientId: string, recipient: string): string {
    const digest = createHmac('sha256', this.#key)
      .update(JSON.stringify([patientId, recipient]))
      .digest();
    return digest.subarray(0, 16).toString('base64url');
  }

  async read<T>(name: string): Promise<T | undefined> {
    const sealed = await this.#services.state.getState(name);
    if (sealed === undefined || sealed.byteLength === 0) return undefined;
    const opened = openBytes(this.#key, sealed.subarray(0, nonceBytes), Buffer.from(name), sealed.subarray(nonceBytes));
    return JSON.parse(opened.toString('utf8')) as T;
  }

  async write(name: string, value: unknown): Promise<void> {
    const nonce = randomBytes(nonceBytes);
    const sealed = sealBytes(this.#key, nonce, Buffer.from(name), Buffer.from(JSON.stringify(value)));
    await this.#services.state.putState(name, Buffer.concat([nonce, sealed]));
  }

  /** The patient's id does not stand in the clear. */
  #indexName(which: 'open' | 'all', patientId: string): string {
    return `share/${which}/${createHmac('sha256', this.#key).update(patientId).digest('hex')}`;
  }
}

const shareName = (share: string) => `share/one/${share}`;
const pageName = (share: string, page: number) => `share/tickets/${share}/${page}`;
