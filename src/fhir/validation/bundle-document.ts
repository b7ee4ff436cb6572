/**
 * Documents and messages: what the first entry refers to is inside, and in a document everything hangs together.
 *
 * Spec: https://hl7.org/fhir/R4/documents.html#content, https://hl7.org/fhir/R4/messaging.html
 */
import type { Resource } from '../../base/resource.js';
import type { Entry } from './bundle-references.js';
import { isCanonical } from './extension-context.js';
import { isAbsoluteUrl } from './primitives.js';
import { shown, type Frame, type Run } from './run.js';

interface Section {
  readonly author?: unknown;
  readonly focus?: unknown;
  readonly entry?: unknown;
  readonly section?: unknown;
}

/** The references of the Composition lead to entries, and every entry is reached from it or leads to one that is. */
export function checkDocument(run: Run, frame: Frame, entries: readonly Entry[]): void {
  const composition = entries[0].resource as Resource;
  const path = `${frame.path}.entry[0].resource`;
  const must = (value: unknown, where: string): void => checkInside(run, frame, entries[0], value, `${path}.${where}`);
  must(composition.subject, 'subject');
  list(composition.author).forEach((value, at) => must(value, `author[${at}]`));
  must(composition.encounter, 'encounter');
  must(composition.custodian, 'custodian');
  list(composition.attester).forEach((value, at) =>
    must((value as { party?: unknown }).party, `attester[${at}].party`),
  );
  list(composition.event).forEach((value, at) => {
    list((value as { detail?: unknown }).detail).forEach((detail, index) =>
      must(detail, `event[${at}].detail[${index}]`),
    );
  });
  checkSections(composition.section, 'section', must);
  checkLinked(run, frame, entries);
}

/** What the MessageHeader is about is in the message. */
export function checkMessage(run: Run, frame: Frame, entries: readonly Entry[]): void {
  list((entries[0].resource as Resource).focus).forEach((value, at) => {
    checkInside(run, frame, entries[0], value, `${frame.path}.entry[0].resource.focus[${at}]`);
  });
}

const list = (value: unknown): unknown[] =>
  (Array.isArray(value) ? value : []).filter((item) => typeof item === 'object' && item !== null);

function checkSections(sections: unknown, where: string, must: (value: unknown, where: string) => void): void {
  list(sections).forEach((value, at) => {
    const section = value as Section;
    const path = `${where}[${at}]`;
    list(section.author).forEach((author, index) => must(author, `${path}.author[${index}]`));
    must(section.focus, `${path}.focus`);
    list(section.entry).forEach((entry, index) => must(entry, `${path}.entry[${index}]`));
    checkSections(section.section, `${path}.section`, must);
  });
}

function checkInside(run: Run, frame: Frame, entry: Entry, value: unknown, path: string): void {
  const reference = (value as { reference?: unknown } | undefined)?.reference;
  if (typeof reference !== 'string' || reference === '' || reference.startsWith('#')) return;
  const bare = reference.split('#', 1)[0];
  if (run.engine.bundles.among(frame.resource, bare, urlOf(entry)).length > 0) return;
  const type = /(?:^|\/)([A-Z][A-Za-z]+)\/[A-Za-z0-9\-.]{1,64}(?:\/_history\/[^/]+)?$/.exec(bare)?.[1];
  if (isAbsoluteUrl(bare) ? type !== undefined && isCanonical(run, type) : type === undefined) return;
  run.error('not-found', 'bundle-reference', path, `${shown(reference)} leads to no entry of the Bundle`);
}

const urlOf = ({ fullUrl }: Entry): string | undefined => (typeof fullUrl === 'string' ? fullUrl : undefined);

function checkLinked(run: Run, frame: Frame, entries: readonly Entry[]): void {
  const resources = entries.map(({ resource }) => resource);
  const targets = entries.map((entry) => {
    const found = references(entry.resource).flatMap((reference) =>
      run.engine.bundles.among(frame.resource, reference.split('#', 1)[0], urlOf(entry)),
    );
    return new Set(found.map((resource) => resources.indexOf(resource)));
  });
  const reached = new Set([0, ...stylesheets(frame.resource, resources)]);
  for (let size = 0; size < reached.size;) {
    size = reached.size;
    targets.forEach((leads, at) => {
      if (reached.has(at)) for (const target of leads) reached.add(target);
      else if ([...leads].some((target) => reached.has(target))) reached.add(at);
    });
  }
  resources.forEach((resource, at) => {
    if (resource === undefined || reached.has(at)) return;
    const text = `the ${resource.resourceType} of entry ${at} is not connected with the Composition of the document`;
    run.error('invalid', 'bundle-unlinked', `${frame.path}.entry[${at}]`, text);
  });
}

/** Texts of every `reference` and of every narrative link below `value`. */
function references(value: unknown, into: string[] = []): string[] {
  if (typeof value !== 'object' || value === null) return into;
  for (const [name, inner] of Object.entries(value)) {
    if (name === 'reference' && typeof inner === 'string') into.push(inner);
    else if (name === 'div' && typeof inner === 'string') {
      for (const [, link] of inner.matchAll(/(?:href|src)\s*=\s*["']([^"'#][^"']*)["']/g)) into.push(link);
    } else references(inner, into);
  }
  return into;
}

function stylesheets(bundle: Resource, resources: readonly (Resource | undefined)[]): number[] {
  return list((bundle as { link?: unknown }).link).flatMap((link) => {
    const { relation, url } = link as { relation?: unknown; url?: unknown };
    if (relation !== 'stylesheet') return [];
    const at = resources.findIndex((resource) => resource && `${resource.resourceType}/${resource.id ?? ''}` === url);
    return at < 0 ? [] : [at];
  });
}
