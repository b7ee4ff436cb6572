/**
 * Bundles: full URLs, first entries, and references from entry to entry.
 *
 * Spec: https://hl7.org/fhir/R4/bundle.html
 */
import type { Resource } from '../../base/resource.js';
import { isAbsoluteUrl } from './primitives.js';
import { shown, type Frame, type Run } from './run.js';

interface Entry {
  readonly fullUrl?: unknown;
  readonly resource?: Resource;
}

/** Finds resources of the Bundles that are being validated. One for each validator; holds nothing beyond a Bundle's own life. */
export class Bundles {
  private readonly indexes = new WeakMap<Resource, ReadonlyMap<string, Resource>>();

  /** The resource of the innermost Bundle around the present one that `reference` means; undefined when it means none. */
  find(run: Run, reference: string): Resource | undefined {
    for (let frame: Frame | undefined = run.frame; frame?.parent; frame = frame.parent) {
      if (frame.kind !== 'entry') continue;
      const index = this.indexOf(frame.parent.resource);
      const url = absolute(reference, frame.fullUrl);
      return index.get(url) ?? index.get(unversioned(url));
    }
    return undefined;
  }

  private indexOf(bundle: Resource): ReadonlyMap<string, Resource> {
    let index = this.indexes.get(bundle);
    if (!index) {
      const byUrl = new Map<string, Resource>();
      for (const { fullUrl, resource } of entriesOf(bundle)) {
        if (typeof resource !== 'object' || resource === null) continue;
        if (typeof fullUrl === 'string' && !byUrl.has(fullUrl)) byUrl.set(fullUrl, resource);
      }
      index = byUrl;
      this.indexes.set(bundle, index);
    }
    return index;
  }
}

const restUrl = /^(https?:\/\/\S+)\/[A-Z][A-Za-z]+\/[A-Za-z0-9\-.]{1,64}(?:\/_history\/[A-Za-z0-9\-.]{1,64})?$/;

/** A relative reference is relative to the server of the entry's fullUrl. Spec: https://hl7.org/fhir/R4/bundle.html#references */
function absolute(reference: string, fullUrl: string | undefined): string {
  if (isAbsoluteUrl(reference)) return reference;
  const base = fullUrl === undefined ? undefined : restUrl.exec(fullUrl)?.[1];
  return base === undefined ? reference : `${base}/${reference}`;
}

const unversioned = (url: string): string => url.replace(/\/_history\/[^/]*$/, '');

/** The entries of a Bundle that are objects; an empty list when there are none. */
export function entriesOf(bundle: Resource): Entry[] {
  const entries = (bundle as { entry?: unknown }).entry;
  if (!Array.isArray(entries)) return [];
  return entries.filter((entry): entry is Entry => typeof entry === 'object' && entry !== null);
}

const restType = new RegExp(
  String.raw`^https?://\S+/([A-Z][A-Za-z]+)/([A-Za-z0-9\-.]{1,64})(?:/_history/[A-Za-z0-9\-.]{1,64})?$`,
);
const urlIsOptional = new Set(['transaction', 'transaction-response', 'batch', 'batch-response']);
const firstResource: Readonly<Record<string, string>> = { document: 'Composition', message: 'MessageHeader' };

export function bundleRule(run: Run, frame: Frame): void {
  const bundle = frame.resource as Resource & { type?: unknown };
  const entries = entriesOf(bundle);
  const type = typeof bundle.type === 'string' ? bundle.type : '';
  checkFirst(run, type, entries, frame.path);
  entries.forEach((entry, at) => {
    const path = `${frame.path}.entry[${at}]`;
    if (typeof entry.fullUrl === 'string') checkFullUrl(run, entry.fullUrl, entry.resource, path);
    else if (!urlIsOptional.has(type)) {
      run.error(
        'required',
        'bundle-full-url',
        path,
        `Bundle.entry.fullUrl is missing; expected in a Bundle of type ${type}`,
      );
    }
  });
}

function checkFirst(run: Run, type: string, entries: readonly Entry[], path: string): void {
  const expected = firstResource[type];
  if (expected === undefined) return;
  const found = entries[0]?.resource?.resourceType;
  if (found === expected) return;
  const where = entries.length === 0 ? path : `${path}.entry[0]`;
  run.error('structure', 'bundle-first', where, `a ${type} begins with ${found ?? 'nothing'}; expected a ${expected}`);
}

/** A fullUrl that looks like a RESTful URL ends with the type and id of its resource. */
function checkFullUrl(run: Run, fullUrl: string, resource: Resource | undefined, path: string): void {
  if (!isAbsoluteUrl(fullUrl)) {
    run.error('value', 'bundle-full-url', path, `Bundle.entry.fullUrl is ${shown(fullUrl)}; expected an absolute URL`);
    return;
  }
  const match = restType.exec(fullUrl);
  if (!match || typeof resource !== 'object' || resource === null) return;
  if (!run.engine.definitions.resourceTypes.has(match[1])) return;
  const own = `${resource.resourceType}/${resource.id ?? ''}`;
  if (!fullUrl.endsWith(`/${own}`)) {
    run.error(
      'value',
      'bundle-full-url',
      path,
      `Bundle.entry.fullUrl is ${shown(fullUrl)}; expected it to end with ${shown(own)}`,
    );
  }
}
