/**
 * From operations to drafts: one ordered procedure that settles targets and links, checks everything, and refuses with all that is wrong.
 *
 * Works on the snapshot that `facts` reads; pauses so that other requests are served meanwhile.
 */
import type { Issue } from '../../base/outcome.js';
import type { Resource } from '../../base/resource.js';
import type { Draft } from '../../commit/draft.js';
import type { Principal, RecordAttributes } from '../../consent/gate.js';
import { requireScope, requireWriteScope } from '../access.js';
import { rewriteLinks } from '../bundle/references.js';
import type { SearchParameter } from '../definitions/types.js';
import { checkParameter } from '../search/parameters.js';
import type { Context } from '../request.js';
import { JsonText } from '../json-text.js';
import { permits } from '../permits.js';
import type { FhirServices } from '../services.js';
import { Slices } from '../../base/pause.js';
import type { Permission } from '../../smart/scopes.js';
import { attributesOf } from './attributes.js';
import { patientsWithin } from './compartments.js';
import { requireConsentAuthor } from './consent-authors.js';
import { contentOf } from './content.js';
import { concernedPatients } from '../search/compartment.js';
import { deletion } from './deletion.js';
import type { Facts } from './facts.js';
import { Integrity } from './integrity.js';
import { Links } from './links.js';
import type { WriteOperation } from './operation.js';
import { Problems, seenFrom } from './problems.js';
import { refuseByConsent } from './refusal.js';
import { requireWhole, targetsOf, type Target, type TargetServices } from './targets.js';

export type PrepareServices = TargetServices & Pick<FhirServices, 'validator' | 'receiptOf' | 'consents'>;

/** A target with what will be committed for it; no draft for `matched` and `nothing`. */
export interface Prepared {
  readonly target: Target;
  readonly draft?: Draft;
  /** The content as it was stored, after the commit. */
  readonly rendered?: () => JsonText | undefined;
  /** Warnings and hints of the validator. */
  readonly issues: readonly Issue[];
}

/** @throws FhirError with every problem of every operation. */
export async function prepare(
  services: PrepareServices,
  facts: Facts,
  context: Context,
  operations: readonly WriteOperation[],
): Promise<Prepared[]> {
  const slices = new Slices();
  const problems = new Problems();
  const targets = await settleTargets(services, facts, context, operations, problems, slices);
  const links = await Links.of(services, targets, slices);
  await links.settleConditions(facts, context, problems, slices);
  const integrity = await Integrity.of(services, facts, context, targets, slices);
  const prepared: Prepared[] = [];
  for (const target of targets) {
    const { operation } = target;
    const done = await problems.collect(operation.requestPlace ?? operation.place, () =>
      prepareTarget(services, facts, context, target, links, integrity, problems),
    );
    if (done !== undefined) prepared.push(done);
    await slices.turn();
  }
  problems.throwIfAny();
  return prepared;
}

async function settleTargets(
  services: PrepareServices,
  facts: Facts,
  context: Context,
  operations: readonly WriteOperation[],
  problems: Problems,
  slices: Slices,
): Promise<Target[]> {
  const targets: Target[] = [];
  const taken = new Map<string, string>();
  const conditions = new Map<string, Target>();
  for (const operation of operations) {
    const place = operation.requestPlace ?? operation.place;
    const key = operation.interaction === 'create' ? `${operation.resourceType}?${operation.condition}` : '';
    const same = operation.condition === undefined ? undefined : conditions.get(key);
    if (same !== undefined) {
      targets.push({ ...same, operation, kind: 'matched' });
      continue;
    }
    const found = await problems.collect(place, () => targetsOf(services, facts, context, operation));
    for (const target of found ?? []) {
      targets.push(target);
      if (operation.interaction === 'create' && operation.condition !== undefined) conditions.set(key, target);
      const isNamed = target.kind !== 'nothing' || operation.condition === undefined;
      if (target.kind !== 'matched' && isNamed) refuseSecond(target, place, taken, problems);
    }
    await slices.turn();
  }
  return targets;
}

function refuseSecond(target: Target, place: string, taken: Map<string, string>, problems: Problems): void {
  const name = `${target.resourceType}/${target.id}`;
  const first = taken.get(name);
  if (first === undefined) {
    taken.set(name, place);
    return;
  }
  const diagnostics = `${name} is written twice: here and at ${first}.`;
  problems.add(400, [{ severity: 'error', code: 'duplicate', diagnostics, expression: place }]);
}

async function prepareTarget(
  services: PrepareServices,
  facts: Facts,
  context: Context,
  target: Target,
  links: Links,
  integrity: Integrity,
  problems: Problems,
): Promise<Prepared> {
  const { operation, kind, resourceType, id, current } = target;
  if (kind === 'matched' || kind === 'nothing') return { target, issues: [] };
  requireFor(context.principal, target);
  if (current !== undefined && !current.isDeleted) await requireWhole(services, context.principal, current);
  if (kind === 'delete')
    return { target, draft: await deletion(services, facts, context, target, integrity), issues: [] };

  const versionId = (current?.versionId ?? 0) + 1;
  const given = { ...(await newContent(services, operation, current)), resourceType, id };
  const linked = rewriteLinks<Resource>(given, links.replacer(operation.fullUrl));
  const before = current === undefined || current.isDeleted ? undefined : services.opened.header(current).attributes;
  const content = contentOf(linked, id, versionId, operation.dropsLabels ? [] : before?.securityLabels);
  const { resource } = content;

  const { validator } = services;
  const settings = {
    mode: kind === 'create' ? 'create' : 'update',
    unknownProfile: services.config.unknownProfile,
  } as const;
  // Labels that stay from the version before are judged too: the receipt is of what is stored, as every validator finds it.
  const judged = withLabels(linked, resource.meta?.security);
  const found = validator.settle ? await validator.settle(judged, settings) : validator.validate(judged, settings);
  const { place } = operation;
  refuseInvalid(found, place, resourceType, problems);
  const { terms, links: outgoing, sortKeys, ...extracted } = services.extractor.entries(resource);
  const patients =
    (await patientsWithin(services, facts, resource)) ??
    concernedPatients(services.search.parameters, resource, extracted.patients);
  const author = before?.author ?? authorOf(context.principal);
  const attributes = attributesOf(resource, patients, author);
  const mayCollect = await permits(
    services,
    context.principal,
    before === undefined ? 'collect' : 'correct',
    attributes,
  );
  if (services.config.integrityOnWrite) {
    const dangling = await integrity.dangling(linked, place, mayCollect);
    if (dangling.length > 0) problems.add(422, dangling);
  }
  if (!mayCollect || !(await mayCorrect(services, context.principal, before))) {
    await refuseByConsent(services, context, operation, attributes);
  }
  const indexed = {
    terms: attributes.elementLabels === undefined ? terms : services.extractor.extract(resource).terms,
    name: services.names.resource(resourceType, id),
    lastUpdated: services.search.clock.now(),
  };
  requireWriteScope(services, context.principal, kind === 'create' ? 'c' : 'u', attributes, indexed);
  if (resourceType === 'SearchParameter' && !problems.any) {
    checkParameter(services.search.parameters, resource as unknown as SearchParameter);
  }
  if (resourceType === 'Consent') {
    requireConsentAuthor(services, context.principal, patients, before, resource, place);
    // Its time is not known before the commit.
    services.consents?.check({ ...resource, meta: { ...resource.meta, lastUpdated: undefined } });
  }
  const receipt = services.receiptOf?.(judged, found) ?? { level: 1 as const };
  let text: JsonText | undefined;
  const draft: Draft = {
    resourceType,
    id,
    versionId,
    isDeleted: false,
    isNew: operation.interaction === 'create',
    render: (lastUpdated) => (text = new JsonText(content.render(lastUpdated))).bytes,
    resource,
    terms,
    links: outgoing,
    patients,
    attributes,
    sortKeys,
    ...receipt,
  };
  return { target, draft, rendered: () => text, issues: found.map((issue) => seenFrom(place, resourceType, issue)) };
}

async function newContent(
  services: PrepareServices,
  { patch, resource, resourceType }: WriteOperation,
  current: Target['current'],
): Promise<Resource> {
  if (patch !== undefined && current !== undefined) return patch((await services.opened.text(current)).value());
  return resource ?? { resourceType };
}

function refuseInvalid(found: readonly Issue[], place: string, resourceType: string, problems: Problems): void {
  const errors = found.filter(({ severity }) => severity === 'error' || severity === 'fatal');
  if (errors.length === 0) return;
  const status = errors.some(({ code }) => code === 'structure') ? 400 : 422;
  problems.add(
    status,
    found.map((issue) => seenFrom(place, resourceType, issue)),
  );
}

/** The organisation behind the principal, else the principal itself. */
function authorOf({ actor, memberships }: Principal): string {
  if (actor.startsWith('Organization/')) return actor;
  return memberships.find((member) => member.startsWith('Organization/')) ?? actor;
}

async function mayCorrect(
  services: PrepareServices,
  principal: Principal,
  before: RecordAttributes | undefined,
): Promise<boolean> {
  return before === undefined || permits(services, principal, 'correct', before);
}

const permissionFor: Record<'create' | 'update' | 'delete', Permission> = { create: 'c', update: 'u', delete: 'd' };

function requireFor(principal: Principal, { kind, resourceType, operation }: Target): void {
  const permission = permissionFor[kind as 'create' | 'update' | 'delete'];
  requireScope(principal, resourceType, permission, operation.requestPlace);
}

/** `resource` with the security labels that its stored form has. */
function withLabels(resource: Resource, security: NonNullable<Resource['meta']>['security']): Resource {
  if (security === undefined || security === resource.meta?.security) return resource;
  return { ...resource, meta: { ...resource.meta, security } };
}
