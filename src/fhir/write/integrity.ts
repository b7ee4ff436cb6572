/**
 * References must lead somewhere: checked on write (what is referred to is here) and on delete (nothing refers to it).
 *
 * Spec: https://hl7.org/fhir/R4/http.html#transaction (referential integrity is a server's own rule)
 */
import type { Issue } from '../../base/outcome.js';
import type { Resource } from '../../base/resource.js';
import { mapInSlices, type Slices } from '../../base/pause.js';
import type { Context } from '../request.js';
import { permits } from '../permits.js';
import { findReferences } from '../bundle/references.js';
import type { Facts } from './facts.js';
import type { Target, TargetServices } from './targets.js';

const localForm = /^([A-Z][A-Za-z]+)\/([A-Za-z0-9\-.]{1,64})(?:\/_history\/[A-Za-z0-9\-.]{1,64})?(?:#.*)?$/;

/** An actor of a consent may be unknown here: then only a token with this very name meets it. */
const isActor = /\bprovision(\[\d+\])?\.actor\[\d+\]\.reference$/;

export class Integrity {
  private readonly written = new Set<string>();
  private readonly deleted = new Set<string>();
  private readonly known = new Map<string, 'readable' | 'hidden' | 'absent'>();

  private constructor(
    private readonly services: TargetServices,
    private readonly facts: Facts,
    private readonly context: Context,
  ) {}

  /** @param targets what the same write is about. */
  static async of(
    services: TargetServices,
    facts: Facts,
    context: Context,
    targets: readonly Target[],
    slices: Slices,
  ): Promise<Integrity> {
    const integrity = new Integrity(services, facts, context);
    await mapInSlices(targets, (target) => integrity.add(target), slices);
    return integrity;
  }

  private add({ kind, resourceType, id }: Target): void {
    if (kind === 'delete') this.deleted.add(`${resourceType}/${id}`);
    else if (kind !== 'nothing') this.written.add(`${resourceType}/${id}`);
  }

  /** How many resources the same write deletes. */
  get deletedCount(): number {
    return this.deleted.size;
  }

  isDeleted({ resourceType, id }: { readonly resourceType: string; readonly id: string }): boolean {
    return this.deleted.has(`${resourceType}/${id}`);
  }

  /**
   * References of `resource` that lead nowhere, each with its place. What the principal may not see is nowhere.
   * @param mayCollect the consent contract lets this record be added to its patients' compartments, so those patients are known.
   */
  async dangling(resource: Resource, place: string, mayCollect: boolean): Promise<Issue[]> {
    const issues: Issue[] = [];
    for (const { reference, expression } of findReferences(resource, place)) {
      if (isActor.test(expression) && !this.services.config.integrityOfActors) continue;
      const reason = await this.reasonAgainst(reference, mayCollect);
      if (reason === undefined) continue;
      issues.push({
        severity: 'error',
        code: 'business-rule',
        diagnostics: `The reference "${reference}" ${reason}.`,
        expression: `${expression}.reference`,
        rule: 'referential-integrity',
      });
    }
    return issues;
  }

  private async reasonAgainst(reference: string, mayCollect: boolean): Promise<string | undefined> {
    if (reference.startsWith('urn:uuid:') || reference.startsWith('urn:oid:')) {
      return 'names no entry of the same Bundle';
    }
    const { baseUrl } = this.context;
    const local = reference.startsWith(`${baseUrl}/`) ? reference.slice(baseUrl.length + 1) : reference;
    const match = localForm.exec(local);
    if (match === null) return undefined;
    const [, resourceType, id] = match;
    const target = `${resourceType}/${id}`;
    if (this.deleted.has(target)) return 'leads to a resource that the same Bundle deletes';
    if (this.written.has(target)) return undefined;
    const state = await this.stateOf(resourceType, id);
    if (state === 'readable' || (state === 'hidden' && mayCollect && resourceType === 'Patient')) return undefined;
    return 'leads to nothing on this server';
  }

  private async stateOf(resourceType: string, id: string): Promise<'readable' | 'hidden' | 'absent'> {
    const key = `${resourceType}/${id}`;
    const known = this.known.get(key);
    if (known !== undefined) return known;
    const row = await this.facts.existing(this.services.names.resource(resourceType, id));
    const isThere = row !== undefined && !row.isDeleted;
    const state = !isThere
      ? 'absent'
      : (await permits(this.services, this.context.principal, 'access', this.services.opened.header(row).attributes))
        ? 'readable'
        : 'hidden';
    this.known.set(key, state);
    return state;
  }
}
