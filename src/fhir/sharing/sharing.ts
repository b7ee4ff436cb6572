/**
 * Sharing: follows the log, and gives each recipient a ticket for every version that the contract lets it read (action `disclose`).
 *
 * Off the request path, like the anchorer. A permit for an organisation (or group) that published an HPKE key opens the share by itself; without a
 * permit there are no tickets, so a revocation costs nothing and touches nobody's keys. A version of which consent hides single elements is not
 * shared: a ticket opens the whole. After a crash it goes on from the position that it stored; a ticket is never made twice.
 */
import type { Clock } from '../../base/clock.js';
import type { Resource } from '../../base/resource.js';
import type { Catalog, VersionRow } from '../../commit/catalog.js';
import type { Draft } from '../../commit/draft.js';
import { sealedReference, type Records } from '../../commit/records.js';
import { type ConsentGate, ConsentUndecidable, type Principal } from '../../consent/gate.js';
import { cidText } from '../../ipfs/cid.js';
import type { KeyRing } from '../../vault/key-ring.js';
import type { GroupBundle, ShareBundle } from '../../vault/share-bundle.js';
import type { Vault } from '../../vault/vault.js';
import type { OpenedCache } from '../opened-cache.js';
import type { Plan } from '../search/plan.js';
import { hiddenLabels } from '../visible-content.js';
import { permittedRecipients } from './recipients.js';
import { type Share, ticketsPerPage } from './share.js';
import { ShareStore } from './share-store.js';

export interface SharingServices {
  readonly catalog: Pick<Catalog, 'head' | 'versionsByLeaf' | 'search' | 'getState' | 'putState'>;
  readonly records: Pick<Records, 'header'>;
  readonly opened: OpenedCache;
  readonly vault: Pick<Vault, 'dataKey'>;
  readonly ring: Pick<KeyRing, 'wrap' | 'unwrap' | 'derive'>;
  readonly gate: ConsentGate;
  readonly clock: Clock;
  /** The Consents of a patient that are active now. */
  readonly activeConsents: (patientId: string) => Promise<readonly Resource[]>;
  /** What is in the compartment of a patient. */
  readonly compartment: (patientId: string) => Plan;
  /** HPKE key of an organisation or group; undefined when it published none. */
  readonly keyOf: (recipient: string) => Promise<Uint8Array | undefined>;
  /** Keys of a group for its members; undefined for other recipients. */
  readonly groupOf: (recipient: string) => Promise<GroupBundle | undefined>;
  /** Resolves when nothing of the patient's consents is on its way to the chain, or after some time. */
  readonly settled: (patientId: string) => Promise<unknown>;
  readonly onProblem: (problem: unknown) => void;
}

/** Leaves looked at in one step. */
const STEP = 500;
const RETRY_MS = 1_000;
const MOST_VERSIONS = 100_000;
/** More versions than can be committed and not looked at when the process is killed. */
const MOST_UNSEEN = 10_000;
const positionName = 'share/position';

export class Sharing {
  readonly #services: SharingServices;
  readonly #store: ShareStore;
  /** Open ones alone, by patient. */
  readonly #shares = new Map<string, Share[]>();
  readonly #principals = new Map<string, Principal>();
  /** Committed since, and not looked at. */
  #consents: Pick<Draft, 'resource' | 'patients'>[] = [];
  #position = 0;
  #stored = 0;
  #running: Promise<void> | undefined;
  #isAsked = false;
  #isClosed = false;

  private constructor(services: SharingServices) {
    this.#services = services;
    this.#store = new ShareStore({ state: services.catalog, ring: services.ring });
  }

  static async start(services: SharingServices): Promise<Sharing> {
    const sharing = new Sharing(services);
    for (const id of await sharing.#store.patients()) sharing.#shares.set(id, await sharing.#store.loadOpen(id));
    sharing.#stored = (await sharing.#store.read<number>(positionName)) ?? 0;
    sharing.#position = sharing.#stored;
    await sharing.#findConsents();
    sharing.notify();
    return sharing;
  }

  /** What was committed, and its Consents told to the chain. */
  onCommit(drafts: readonly Pick<Draft, 'resourceType' | 'resource' | 'patients'>[]): void {
    const consents = drafts.filter(({ resourceType }) => resourceType === 'Consent');
    this.#consents.push(...consents);
    if (consents.length > 0 || this.#shares.size > 0) this.notify();
  }

  /** Looks at what is new. */
  notify(): void {
    this.#isAsked = true;
    if (this.#isClosed || this.#running !== undefined) return;
    this.#running = this.#run().finally(() => (this.#running = undefined));
  }

  /** Resolves when everything that is committed was looked at. */
  async caughtUp(): Promise<void> {
    this.notify();
    while (this.#running !== undefined) await this.#running;
  }

  async close(): Promise<void> {
    this.#isClosed = true;
    await this.#running;
    if (this.#consents.length === 0) await this.#moveTo(this.#position);
  }

  /** Recipients for whom the patient has an open share. */
  recipientsOf(patientId: string): string[] {
    return (this.#shares.get(patientId) ?? []).map(({ recipient }) => recipient);
  }

  /** Everything that a recipient was given of a patient; undefined when it has no share. */
  async bundle(patientId: string, recipient: string): Promise<ShareBundle | undefined> {
    await this.caughtUp();
    const share = await this.#store.load(this.#store.nameOf(patientId, recipient));
    if (share === undefined) return undefined;
    return share.bundle(await this.#store.tickets(share.stored), await this.#services.groupOf(recipient));
  }

  /** Forgets a patient's shares. @returns keys of the state to destroy (erasure). */
  async forget(patientId: string): Promise<string[]> {
    const states = await this.#store.statesOf(patientId);
    if (this.#shares.delete(patientId)) await this.#store.savePatients([...this.#shares.keys()]);
    return states;
  }

  async #run(): Promise<void> {
    while (this.#isAsked && !this.#isClosed) {
      this.#isAsked = false;
      try {
        await this.#catchUp();
      } catch (problem) {
        // The chain or the store is away: the position stands where it was.
        this.#services.onProblem(problem);
        if (!(problem instanceof ConsentUndecidable)) return;
        await new Promise((resolve) => setTimeout(resolve, RETRY_MS).unref());
        this.#isAsked = true;
      }
    }
  }

  async #catchUp(): Promise<void> {
    const { catalog } = this.#services;
    while (this.#consents.length > 0) {
      const { resource, patients } = this.#consents[0] as Pick<Draft, 'resource' | 'patients'>;
      await this.#takeConsent(resource, patients);
      this.#consents.shift();
    }
    for (let until = catalog.head().leafCount; this.#position < until; until = catalog.head().leafCount) {
      // Nobody shares anything: nothing has to be looked at.
      const next = this.#shares.size === 0 ? until : Math.min(this.#position + STEP, until);
      if (this.#shares.size > 0) await this.#look(await catalog.versionsByLeaf(this.#position, next));
      this.#position = next;
      if (next - this.#stored >= STEP) await this.#moveTo(next);
      if (this.#isClosed) return;
    }
  }

  async #moveTo(position: number): Promise<void> {
    if (position === this.#stored) return;
    await this.#store.write(positionName, position);
    this.#stored = position;
  }

  /** After a crash: Consents that were committed and not looked at. */
  async #findConsents(): Promise<void> {
    const { catalog, records, opened } = this.#services;
    const { leafCount } = catalog.head();
    for (let from = Math.max(this.#position, leafCount - MOST_UNSEEN); from < leafCount; from += STEP) {
      for (const row of await catalog.versionsByLeaf(from, Math.min(from + STEP, leafCount))) {
        if (row.isErased === true || row.isTombstone === true) continue;
        const { resourceType, attributes } = records.header(row);
        if (resourceType !== 'Consent') continue;
        const resource = row.isDeleted ? undefined : (await opened.text(row)).value();
        this.#consents.push({ patients: attributes.patients, ...(resource === undefined ? {} : { resource }) });
      }
    }
  }

  async #look(rows: readonly VersionRow[]): Promise<void> {
    const touched = new Set<Share>();
    for (const row of rows) {
      if (row.isErased === true || row.isTombstone === true) continue;
      for (const patientId of this.#services.records.header(row).attributes.patients) {
        for (const share of this.#shares.get(patientId) ?? []) if (await this.#give(share, row)) touched.add(share);
      }
    }
    for (const share of touched) await this.#store.save(share);
  }

  /**
   * Opens shares for the recipients that a Consent permits, where they published a key, and closes those that no active Consent names any more; a new
   * permit reaches older records.
   */
  async #takeConsent(consent: Resource | undefined, patients: readonly string[]): Promise<void> {
    for (const recipient of consent === undefined ? [] : permittedRecipients(consent)) {
      if ((await this.#services.keyOf(recipient)) === undefined) continue;
      for (const patientId of patients) await this.#open(patientId, recipient);
    }
    for (const patientId of patients) {
      if (!this.#shares.has(patientId)) continue;
      await this.#closeUnnamed(patientId);
      await this.#lookAgain(patientId);
    }
  }

  async #open(patientId: string, recipient: string): Promise<void> {
    const shares = this.#shares.get(patientId) ?? [];
    if (shares.some((one) => one.recipient === recipient)) return;
    const known = await this.#store.load(this.#store.nameOf(patientId, recipient));
    const share = known ?? (await this.#store.make(patientId, recipient));
    await this.#setOpen(patientId, [...shares, share]);
  }

  async #closeUnnamed(patientId: string): Promise<void> {
    const consents = await this.#services.activeConsents(patientId);
    const named = new Set(consents.flatMap((consent) => permittedRecipients(consent)));
    const shares = this.#shares.get(patientId) ?? [];
    const open = shares.filter(({ recipient }) => named.has(recipient));
    if (open.length < shares.length) await this.#setOpen(patientId, open);
  }

  async #setOpen(patientId: string, shares: Share[]): Promise<void> {
    const isNew = !this.#shares.has(patientId);
    if (shares.length === 0) this.#shares.delete(patientId);
    else this.#shares.set(patientId, shares);
    await this.#store.saveOpen(patientId, shares);
    if (isNew || shares.length === 0) await this.#store.savePatients([...this.#shares.keys()]);
  }

  /** What is current of a patient, once her consents are on the chain. */
  async #lookAgain(patientId: string): Promise<void> {
    const { catalog, compartment, settled } = this.#services;
    await settled(patientId);
    const search = {
      plan: compartment(patientId),
      asOf: catalog.head().seq,
      order: 'oldest',
      limit: MOST_VERSIONS,
    } as const;
    const rows = await catalog.search(search);
    const shares = this.#shares.get(patientId) ?? [];
    for (const share of shares) {
      let isGiven = false;
      for (const row of rows) if (await this.#give(share, row)) isGiven = true;
      if (isGiven) await this.#store.save(share);
    }
  }

  /** @returns true when the recipient may read the version, and got a ticket that it did not have. */
  async #give(share: Share, row: VersionRow): Promise<boolean> {
    const { records, gate, vault, keyOf } = this.#services;
    if (row.block === undefined) return false;
    const cid = cidText(row.block);
    if (share.cids.has(cid)) return false;
    const header = records.header(row);
    const principal = this.#principalOf(share.recipient);
    if (!(await gate.decide(principal, 'disclose', header.attributes)).permit) return false;
    if ((await hiddenLabels(this.#services, principal, row, 'disclose')).size > 0) return false;
    const publicKey = await keyOf(share.recipient);
    if (publicKey === undefined) return false;
    const ticket = { reference: sealedReference(header), dataKey: await vault.dataKey(row.keyWraps) };
    if (share.page.length === ticketsPerPage) await this.#store.savePage(share);
    await share.addTicket(cid, ticket, publicKey);
    return true;
  }

  /** One object for one recipient: the gate remembers by it. */
  #principalOf(recipient: string): Principal {
    let principal = this.#principals.get(recipient);
    if (principal === undefined) {
      principal = { actor: recipient, memberships: [], purposeOfUse: 'TREAT', scopes: ['system/*.rs'] };
      this.#principals.set(recipient, principal);
    }
    return principal;
  }
}
