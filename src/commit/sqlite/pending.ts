/**
 * Entries that are durable in the log and not in the tables yet: what is asked by name is answered from here, in memory.
 *
 * Searches are answered by the tables; `mayMatch` and `changes` say whether what is pending could make a difference to one.
 */
import type { Term } from '../../base/ids.js';
import type { Plan } from '../../fhir/search/plan.js';
import type { Entry, VersionRow } from '../catalog.js';
import { rowOf, termBytes } from '../version-row.js';
import { TermFilter } from './term-filter.js';

/** Entries of one append. */
export interface PendingRecord {
  readonly packed: ArrayBuffer;
  readonly lastSeq: number;
  /** Milliseconds since 1970, of the newest entry. */
  readonly time: number;
  /** How many leaves the log has after it. */
  readonly leafUntil: number;
  readonly versions: number;
}

interface Held extends PendingRecord {
  readonly entries: readonly Entry[];
  readonly terms: TermFilter;
}

export class Pending {
  private records: Held[] = [];
  /** The versions of a resource, by blind name as latin1 text, the oldest first. */
  private readonly rows = new Map<string, VersionRow[]>();
  private readonly keys = new Map<string, Uint8Array>();
  private versionCount = 0;

  get versions(): number {
    return this.versionCount;
  }

  get isEmpty(): boolean {
    return this.records.length === 0;
  }

  /** The oldest records, of so many versions together, but at least one record. */
  oldest(versions: number): readonly PendingRecord[] {
    let sum = 0;
    const end = this.records.findIndex((record) => (sum += record.versions) >= versions);
    return this.records.slice(0, end < 0 ? undefined : end + 1);
  }

  /**
   * Takes entries in, in steps: what is asked as of an entry before them is answered all the time.
   * @param leafFrom leafIndex of the first version.
   */
  *adding(entries: readonly Entry[], packed: ArrayBuffer, leafFrom: number): Generator<void, PendingRecord> {
    let leafIndex = leafFrom;
    let termCount = 0;
    for (const { versions } of entries) for (const { terms } of versions) termCount += terms.byteLength / termBytes;
    const terms = new TermFilter(termCount);
    for (const { seq, versions, newKeys, erasure } of entries) {
      for (const version of versions) {
        if (!version.isErased) this.addRow(rowOf(version, seq, leafIndex));
        terms.add(version.terms);
        leafIndex += 1;
        yield;
      }
      for (const { compartment, wrapped } of newKeys) this.keys.set(nameOf(compartment), wrapped);
      if (erasure !== undefined) leafIndex += 1;
    }
    const { seq: lastSeq, time } = entries.at(-1)!;
    const record = { entries, packed, terms, lastSeq, time, leafUntil: leafIndex, versions: leafIndex - leafFrom };
    this.records.push(record);
    this.versionCount += record.versions;
    return record;
  }

  /** The tables have everything up to entry `seq`. */
  drop(seq: number): void {
    while (this.records.length > 0 && this.records[0]!.lastSeq <= seq) {
      const record = this.records.shift()!;
      this.versionCount -= record.versions;
      for (const { versions, newKeys } of record.entries) {
        for (const { resource } of versions) this.dropRows(resource, seq);
        for (const { compartment } of newKeys) this.keys.delete(nameOf(compartment));
      }
    }
  }

  /** The version that is current after entry `asOf`, when it is pending. */
  current(resource: Term, asOf: number): VersionRow | undefined {
    return this.rows.get(nameOf(resource))?.findLast(({ seq }) => seq <= asOf);
  }

  version(resource: Term, versionId: number): VersionRow | undefined {
    return this.rows.get(nameOf(resource))?.find((row) => row.versionId === versionId);
  }

  key(compartment: Term): Uint8Array | undefined {
    return this.keys.get(nameOf(compartment));
  }

  changes(resource: Term): boolean {
    return this.rows.has(nameOf(resource));
  }

  /** Could a pending version meet the plan, or make another one meet it? True when in doubt. */
  mayMatch(plan: Plan): boolean {
    return hasLinks(plan) || this.mayMeet(plan);
  }

  private mayMeet(plan: Plan): boolean {
    switch (plan.kind) {
      case 'none':
        return false;
      case 'term':
        return this.records.some(({ terms }) => terms.mayHave(plan.term));
      case 'and':
        return plan.of.every((operand) => this.mayMeet(operand));
      case 'or':
        return plan.of.some((operand) => this.mayMeet(operand));
      case 'resource':
        return plan.names.some((name) => this.changes(name));
      case 'all':
      case 'not':
      case 'updated':
      case 'link-to':
      case 'linked-from':
        return true;
    }
  }

  private addRow(row: VersionRow): void {
    const name = nameOf(row.resource);
    const rows = this.rows.get(name);
    if (rows === undefined) this.rows.set(name, [row]);
    else rows.push(row);
  }

  private dropRows(resource: Term, seq: number): void {
    const name = nameOf(resource);
    const left = this.rows.get(name)?.filter((row) => row.seq > seq) ?? [];
    if (left.length === 0) this.rows.delete(name);
    else this.rows.set(name, left);
  }
}

function hasLinks(plan: Plan): boolean {
  switch (plan.kind) {
    case 'and':
    case 'or':
      return plan.of.some(hasLinks);
    case 'not':
      return hasLinks(plan.of);
    case 'link-to':
    case 'linked-from':
      return true;
    case 'all':
    case 'none':
    case 'term':
    case 'resource':
    case 'updated':
      return false;
  }
}

function nameOf(term: Term): string {
  return Buffer.from(term.buffer, term.byteOffset, term.byteLength).toString('latin1');
}
