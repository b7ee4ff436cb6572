/** What a Plan means, said as plainly as possible: an oracle for the catalogs, over entries held in arrays. */
import { toHex } from '../../src/base/bytes.js';
import type { Term } from '../../src/base/ids.js';
import type { Entry, VersionRecord } from '../../src/commit/catalog.js';
import type { Plan } from '../../src/fhir/search/plan.js';

interface Known extends VersionRecord {
  readonly leafIndex: number;
  readonly seq: number;
}

export class CatalogModel {
  private readonly versions: Known[] = [];

  add(entries: readonly Entry[]): void {
    for (const { seq, versions } of entries) {
      for (const version of versions) this.versions.push({ ...version, seq, leafIndex: this.versions.length });
    }
  }

  /** leafIndexes of the current versions that match, newest first. */
  search(plan: Plan, asOf: number): number[] {
    const current = this.current(asOf);
    return current
      .filter((version) => this.matches(plan, version, current))
      .map(({ leafIndex }) => leafIndex)
      .sort((a, b) => b - a);
  }

  private current(asOf: number): Known[] {
    const newest = new Map<string, Known>();
    for (const version of this.versions) if (version.seq <= asOf) newest.set(toHex(version.resource), version);
    return [...newest.values()].filter(({ isDeleted }) => !isDeleted);
  }

  private matches(plan: Plan, version: Known, current: readonly Known[]): boolean {
    switch (plan.kind) {
      case 'all':
        return true;
      case 'none':
        return false;
      case 'term':
        return termsOf(version).has(toHex(plan.term));
      case 'and':
        return plan.of.every((operand) => this.matches(operand, version, current));
      case 'or':
        return plan.of.some((operand) => this.matches(operand, version, current));
      case 'not':
        return !this.matches(plan.of, version, current);
      case 'resource':
        return has(plan.names, version.resource);
      case 'updated':
        return version.lastUpdated >= plan.from && version.lastUpdated < plan.until;
      case 'link-to':
        return current.some(
          (target) => links(version, plan.params, target) && this.matches(plan.target, target, current),
        );
      case 'linked-from':
        return current.some(
          (source) => links(source, plan.params, version) && this.matches(plan.source, source, current),
        );
    }
  }
}

function links(source: VersionRecord, params: readonly Term[], target: VersionRecord): boolean {
  return source.links.some((link) => has(params, link.param) && toHex(link.target) === toHex(target.resource));
}

function has(terms: readonly Term[], term: Term): boolean {
  return terms.some((one) => toHex(one) === toHex(term));
}

function termsOf({ terms }: VersionRecord): Set<string> {
  return new Set(Array.from({ length: terms.byteLength / 16 }, (_, i) => toHex(terms.subarray(i * 16, i * 16 + 16))));
}
