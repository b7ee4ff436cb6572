/**
 * Who an actor is beside its own reference: roles, organisations and what they are part of, care teams, identifiers.
 *
 * Read from the stored PractitionerRole, CareTeam, Organization, Practitioner and RelatedPerson. A resource counts only when the organisation
 * that it speaks for wrote it first, or the one that runs this server did: nobody joins an organisation by saying so.
 * Spec: https://hl7.org/fhir/R4/consent-definitions.html#Consent.provision.actor
 */
import type { Clock } from '../base/clock.js';
import type { Coding, Resource } from '../base/resource.js';
import type { Draft } from '../commit/draft.js';
import type { Principal } from '../consent/gate.js';
import { identifierReference } from '../consent/terms.js';
import { parseSearch } from './search/query.js';
import type { FhirServices } from './services.js';

type MembershipServices = Pick<FhirServices, 'catalog' | 'opened' | 'search' | 'names'> & {
  readonly config: Pick<FhirServices['config'], 'organization'>;
  readonly clock: Clock;
};

interface Reference {
  readonly reference?: string;
}

interface Known {
  readonly resolved: Principal;
  readonly epoch: number;
  /** Of the index keys that it was searched by. */
  readonly keys: number | undefined;
  readonly seq: number;
  readonly checkedAt: number;
}

/** Types whose change changes who somebody is. */
const relevant = new Set(['PractitionerRole', 'CareTeam', 'Organization', 'Practitioner', 'RelatedPerson', 'Patient']);
/** Other servers on the same log may change them too: after so long they are looked at again. */
const recheckMs = 5_000;
/** Organisations above organisations. */
const mostParents = 8;
const mostFound = 200;

export class Memberships {
  readonly #services: MembershipServices;
  readonly #known = new WeakMap<Principal, Known>();
  #epoch = 0;

  constructor(services: MembershipServices) {
    this.#services = services;
  }

  /** What was committed may change who somebody is. */
  onCommit(drafts: readonly Pick<Draft, 'resourceType'>[]): void {
    if (drafts.some(({ resourceType }) => relevant.has(resourceType))) this.#epoch += 1;
  }

  /** The principal with all its memberships; the same object as long as they stay the same, at once when they are known. */
  of(principal: Principal): Principal | Promise<Principal> {
    const known = this.#known.get(principal);
    const { clock, catalog, search } = this.#services;
    const now = clock.now();
    if (known !== undefined && known.epoch === this.#epoch && known.keys === search.blinder.epoch) {
      if (now - known.checkedAt < recheckMs || known.seq === catalog.head().seq) return known.resolved;
    }
    return this.#resolve(principal, known);
  }

  async #resolve(principal: Principal, known: Known | undefined): Promise<Principal> {
    const epoch = this.#epoch;
    const keys = this.#services.search.blinder.epoch;
    const { seq } = this.#services.catalog.head();
    const found = new Set(principal.memberships);
    const { actor } = principal;
    if (actor.startsWith('Practitioner/')) await this.#addRoles(actor, seq, found);
    if (actor.startsWith('PractitionerRole/')) await this.#addRole(await this.#read(actor, seq), found);
    for (const organization of [...found]) await this.#addParents(organization, seq, found);
    await this.#addTeams([actor, ...found], seq, found);
    for (const one of [actor, ...found]) await this.#addIdentifiers(one, seq, found);
    if (keys !== this.#services.search.blinder.epoch) return this.#resolve(principal, known);
    found.delete(actor);
    const memberships = [...found];
    const before = known?.resolved;
    const isSame = before !== undefined && before.memberships.join() === memberships.join();
    const resolved = isSame ? before : { ...principal, memberships };
    this.#known.set(principal, { resolved, epoch, keys, seq, checkedAt: this.#services.clock.now() });
    return resolved;
  }

  async #addRoles(practitioner: string, seq: number, found: Set<string>): Promise<void> {
    for (const role of await this.#search('PractitionerRole', [['practitioner', practitioner]], seq)) {
      await this.#addRole(role, found);
    }
  }

  /** A role makes its holder a member of the organisation, with the role's codes. */
  #addRole(stored: Stored | undefined, found: Set<string>): Promise<void> {
    if (stored === undefined || !this.#isVouchedFor(stored, stored.resource['organization'])) return Promise.resolve();
    const { resource } = stored;
    const { period } = resource as { period?: { start?: string; end?: string } };
    if (resource['active'] === false || !this.#isNow(period)) return Promise.resolve();
    found.add(`PractitionerRole/${resource.id}`);
    const { reference } = (resource['organization'] ?? {}) as Reference;
    if (reference !== undefined) found.add(reference);
    const { reference: practitioner } = (resource['practitioner'] ?? {}) as Reference;
    if (practitioner !== undefined) found.add(practitioner);
    for (const concept of [...list(resource['code']), ...list(resource['specialty'])]) {
      for (const { system, code } of list((concept as { coding?: unknown }).coding) as Coding[]) {
        if (system !== undefined && code !== undefined) found.add(`${system}|${code}`);
      }
    }
    return Promise.resolve();
  }

  async #addParents(organization: string, seq: number, found: Set<string>): Promise<void> {
    let next: string | undefined = organization;
    for (let depth = 0; depth < mostParents && next?.startsWith('Organization/'); depth += 1) {
      const stored: Stored | undefined = await this.#read(next, seq);
      const parent: unknown = stored?.resource['partOf'];
      if (stored === undefined || !this.#isVouchedFor(stored, parent)) return;
      next = (parent as Reference | undefined)?.reference;
      if (next === undefined || found.has(next)) return;
      found.add(next);
    }
  }

  async #addTeams(members: readonly string[], seq: number, found: Set<string>): Promise<void> {
    const references = members.filter((one) =>
      /^(Practitioner|PractitionerRole|Organization|RelatedPerson)\//.test(one),
    );
    if (references.length === 0) return;
    for (const stored of await this.#search('CareTeam', [['participant', references.join(',')]], seq)) {
      const { resource } = stored;
      const { status, period } = resource as { status?: string; period?: { start?: string; end?: string } };
      if ((status !== undefined && status !== 'active') || !this.#isNow(period)) continue;
      if (!list(resource['managingOrganization']).some((one) => this.#isVouchedFor(stored, one))) {
        if (!this.#isVouchedFor(stored, undefined)) continue;
      }
      found.add(`CareTeam/${resource.id}`);
    }
  }

  async #addIdentifiers(reference: string, seq: number, found: Set<string>): Promise<void> {
    if (!/^(Practitioner|Organization|RelatedPerson|Patient|Device)\//.test(reference)) return;
    const stored = await this.#read(reference, seq);
    // An organisation may name itself; who else is called what, only this server's organisation or one of hers says.
    const owners = [...found, reference].filter((one) => one.startsWith('Organization/'));
    if (stored === undefined || !owners.concat(this.#services.config.organization).includes(stored.author ?? ''))
      return;
    for (const { system, value } of list(stored.resource['identifier']) as { system?: string; value?: string }[]) {
      if (system !== undefined && value !== undefined) found.add(identifierReference(system, value));
    }
  }

  #isVouchedFor({ author }: Stored, organization: unknown): boolean {
    if (author === this.#services.config.organization) return true;
    const { reference } = (organization ?? {}) as Reference;
    return reference !== undefined && reference === author;
  }

  #isNow(period: { start?: string; end?: string } | undefined): boolean {
    const now = new Date(this.#services.clock.now()).toISOString();
    const { start, end } = period ?? {};
    // An end includes the day, month or year that it names.
    return (start === undefined || start <= now) && (end === undefined || now.slice(0, end.length) <= end);
  }

  async #read(reference: string, seq: number): Promise<Stored | undefined> {
    const [type, id] = reference.split('/');
    const { catalog, names } = this.#services;
    const row = await catalog.current(names.resource(type, id ?? ''), seq);
    return row === undefined || row.isDeleted ? undefined : this.#stored(row);
  }

  async #search(type: string, query: [string, string][], seq: number): Promise<Stored[]> {
    const { catalog, search } = this.#services;
    const { plan } = parseSearch(search, type, query, 'strict');
    const rows = await catalog.search({ plan, asOf: seq, order: 'newest', limit: mostFound });
    return Promise.all(rows.map((row) => this.#stored(row)));
  }

  async #stored(row: Parameters<FhirServices['opened']['text']>[0]): Promise<Stored> {
    const { opened } = this.#services;
    const resource = (await opened.text(row)).value();
    return { resource, author: opened.header(row).attributes.author };
  }
}

interface Stored {
  readonly resource: Resource;
  /** Who wrote it first. */
  readonly author?: string;
}

function list(value: unknown): unknown[] {
  return Array.isArray(value) ? value : value === undefined ? [] : [value];
}
