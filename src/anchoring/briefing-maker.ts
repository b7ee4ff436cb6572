/** Makes briefings for validators: opens what a batch's rows hold of keys and salts, and remembers the tickets that were given out. */
import { randomBytes } from '../vault/random.js';
import type { VersionRow } from '../commit/catalog.js';
import { KeyUnavailable } from '../vault/key-ring.js';
import { toHex } from '../base/bytes.js';
import type { Hex } from '../chain/chain.js';
import { isGone } from './batch-facts.js';
import { findLeafContext } from './leaf-context.js';
import { noReceipt, readOpening } from './leaf.js';
import type { ProofHeader } from './opened-leaf.js';
import type { StateStore } from './outbox.js';
import { encodeBriefing, type BriefedLeaf, type SealedSource } from './validator-node/briefing.js';

export interface BriefingSource {
  versionsByLeaf(from: number, until: number): VersionRow[] | Promise<VersionRow[]>;
  header(row: VersionRow): ProofHeader;
  /** @throws KeyUnavailable when it was erased. */
  dataKey(row: VersionRow): Promise<Uint8Array>;
  /** Leaves whose contents are the uploaded definitions of a ProfileSet. */
  definitionsOf(profileSet: Hex): Promise<readonly number[]>;
  readonly state: StateStore;
}

const ticketBytes = 32;
const chunkRows = 1_000;
/** Batches whose briefings are kept for a second round, or a second chain. */
const keptBriefings = 4;
/** Batches whose blocks may still be fetched. */
const keptTickets = 64;

export class BriefingMaker {
  readonly #made = new Map<string, Promise<Uint8Array>>();
  readonly #tickets = new Set<string>();

  constructor(private readonly source: BriefingSource) {}

  /** The briefing of leaves [from, until), not yet sealed. */
  of(profileSet: Hex, from: number, until: number): Promise<Uint8Array> {
    const key = `${profileSet}/${from}/${until}`;
    let made = this.#made.get(key);
    if (made === undefined) {
      made = this.#make(profileSet, from, until);
      made.catch(() => this.#made.delete(key));
      this.#made.set(key, made);
      for (const oldest of this.#made.keys()) {
        if (this.#made.size <= keptBriefings) break;
        this.#made.delete(oldest);
      }
    }
    return made;
  }

  /** True for a ticket that a briefing of late held. */
  isTicket(ticket: string): boolean {
    return this.#tickets.has(ticket);
  }

  async #make(profileSet: Hex, from: number, until: number): Promise<Uint8Array> {
    const { source } = this;
    const leaves: BriefedLeaf[] = [];
    let baseUrl: string | undefined;
    for (let start = from; start < until; start += chunkRows) {
      const rows = await source.versionsByLeaf(start, Math.min(until, start + chunkRows));
      for (const row of rows) {
        if (baseUrl === undefined && !isGone(row)) {
          const { contextId } = readOpening(source.header(row).leafOpening);
          baseUrl = (await findLeafContext(source.state, contextId))?.baseUrl;
        }
        leaves.push(await this.#leaf(row));
      }
      await new Promise<void>((resolve) => setImmediate(resolve));
    }
    if (leaves.length !== until - from)
      throw new Error(`the catalog gave ${leaves.length} versions for leaves ${from} to ${until - 1}`);
    const ticket = randomBytes(ticketBytes);
    this.#tickets.add(toHex(ticket));
    for (const oldest of this.#tickets) {
      if (this.#tickets.size <= keptTickets) break;
      this.#tickets.delete(oldest);
    }
    return encodeBriefing({ ticket, baseUrl: baseUrl ?? '', definitions: await this.#definitions(profileSet), leaves });
  }

  async #leaf(row: VersionRow): Promise<BriefedLeaf> {
    const { source } = this;
    if (isGone(row)) return { kind: 'erased' };
    const header = source.header(row);
    const { leafSalt } = readOpening(header.leafOpening);
    const reference = referenceOf(header);
    if (header.isDeleted || row.block === undefined)
      return { kind: 'deletion', reference, leafSalt, lastUpdated: header.lastUpdated };
    const { level, receiptDigest = noReceipt } = header;
    try {
      const dataKey = await source.dataKey(row);
      return { kind: 'version', reference, leafSalt, block: row.block, dataKey, level, receiptDigest };
    } catch (error) {
      if (error instanceof KeyUnavailable) return { kind: 'erased' };
      throw error;
    }
  }

  async #definitions(profileSet: Hex): Promise<SealedSource[]> {
    const definitions: SealedSource[] = [];
    for (const leaf of await this.source.definitionsOf(profileSet)) {
      const [row] = await this.source.versionsByLeaf(leaf, leaf + 1);
      if (row?.block === undefined) throw new Error(`definition at leaf ${leaf} is not in the catalog`);
      const reference = referenceOf(this.source.header(row));
      definitions.push({ reference, block: row.block, dataKey: await this.source.dataKey(row) });
    }
    return definitions;
  }
}

function referenceOf({ resourceType, id, versionId }: ProofHeader): string {
  return `${resourceType}/${id}/_history/${versionId}`;
}
