/**
 * References from one Bundle entry to another.
 *
 * Spec: https://hl7.org/fhir/R4/bundle.html#references
 */
import type { Resource } from '../../base/resource.js';
import { isAbsoluteUrl } from './primitives.js';
import { shown, type Frame, type Run } from './run.js';

export interface Entry {
  readonly fullUrl?: unknown;
  readonly resource?: Resource;
  readonly search?: { readonly mode?: unknown };
  readonly request?: unknown;
  readonly response?: unknown;
}

/** The entries of a Bundle that are objects; an empty list when there are none. */
export function entriesOf(bundle: Resource): Entry[] {
  const entries = (bundle as { entry?: unknown }).entry;
  if (!Array.isArray(entries)) return [];
  return entries.filter((entry): entry is Entry => typeof entry === 'object' && entry !== null);
}

/** Finds resources of the Bundles that are being validated. One for each validator; holds nothing beyond a Bundle's own life. */
export class Bundles {
  private readonly indexes = new WeakMap<Resource, ReadonlyMap<string, readonly Resource[]>>();

  /** The resource of the innermost Bundle around the present one that `reference` means; undefined when it means none. */
  find(run: Run, reference: string): Resource | undefined {
    const entry = entryAround(run.frame);
    return entry?.parent ? this.among(entry.parent.resource, reference, entry.fullUrl)[0] : undefined;
  }

  /** All resources of `bundle` that `reference` in the entry `fullUrl` means. */
  among(bundle: Resource, reference: string, fullUrl: string | undefined): readonly Resource[] {
    const url = targetUrl(reference, fullUrl);
    if (url === undefined) return [];
    const at = url.indexOf('/_history/');
    const found = this.indexOf(bundle).get(at < 0 ? url : url.slice(0, at)) ?? [];
    if (at < 0) return found;
    const version = url.slice(at + 10);
    return found.filter((resource) => resource.meta?.versionId === version);
  }

  /** Reports a reference that cannot work in the Bundle around the present resource; nothing outside of Bundles. */
  check(run: Run, reference: string, path: string): void {
    if (reference.startsWith('#')) return;
    const entry = entryAround(run.frame);
    const bundle = entry?.parent?.resource;
    if (!entry || !bundle) return;
    const type = String(bundle.type);
    const { fullUrl } = entry;
    if (fullUrl === undefined) {
      if (type.endsWith('-response')) return;
      const text = `${shown(reference)} stands in an entry without fullUrl, so nobody can tell what it is relative to`;
      run.error('required', 'bundle-full-url', path, text);
      return;
    }
    if (!isAbsoluteUrl(reference)) {
      const slashes = reference.split('/').length - 1;
      const isSearch = (type === 'transaction' || type === 'batch') && /^[A-Z][A-Za-z]+\?[^=]+=/.test(reference);
      if (slashes !== 1 && slashes !== 3 && !isSearch) {
        run.error(
          'value',
          'bundle-reference',
          path,
          `${shown(reference)} is no reference that a ${type} may have; expected Type/id or a URL`,
        );
        return;
      }
    }
    const found = this.among(bundle, reference, fullUrl);
    if (found.length > 1) {
      run.error(
        'duplicate',
        'bundle-reference',
        path,
        `${found.length} entries have the fullUrl that ${shown(reference)} means`,
      );
    }
    const wanted = /^([A-Z][A-Za-z]+)\//.exec(reference)?.[1];
    if (found.length > 0 && wanted !== undefined && found[0].resourceType !== wanted && fullUrl.startsWith('urn:')) {
      run.error('structure', 'bundle-reference', path, `${shown(reference)} leads to a ${found[0].resourceType}`);
    }
  }

  private indexOf(bundle: Resource): ReadonlyMap<string, readonly Resource[]> {
    let index = this.indexes.get(bundle);
    if (!index) {
      const byUrl = new Map<string, Resource[]>();
      for (const { fullUrl, resource } of entriesOf(bundle)) {
        if (typeof fullUrl !== 'string' || typeof resource !== 'object' || resource === null) continue;
        const same = byUrl.get(fullUrl);
        if (same) same.push(resource);
        else byUrl.set(fullUrl, [resource]);
      }
      index = byUrl;
      this.indexes.set(bundle, index);
    }
    return index;
  }
}

/** The Bundle entry that the resource of `frame` stands in, directly or contained. */
function entryAround(frame: Frame): Frame | undefined {
  for (let at: Frame | undefined = frame; at; at = at.parent) if (at.kind === 'entry') return at;
  return undefined;
}

/** The fullUrl that a reference asks for; a relative one is relative to the server, or the kind of URN, of its own entry. */
function targetUrl(reference: string, fullUrl: string | undefined): string | undefined {
  if (isAbsoluteUrl(reference)) return reference;
  if (fullUrl === undefined) return undefined;
  if (fullUrl.startsWith('urn:')) {
    const id = reference.split('/')[1];
    return id === undefined ? undefined : fullUrl.slice(0, fullUrl.lastIndexOf(':') + 1) + id;
  }
  return `${fullUrl.split('/').slice(0, -2).join('/')}/${reference}`;
}
