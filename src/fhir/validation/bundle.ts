/**
 * Bundles: full URLs and first entries. References from entry to entry are in bundle-references.ts.
 *
 * Spec: https://hl7.org/fhir/R4/bundle.html
 */
import type { Resource } from '../../base/resource.js';
import { checkDocument, checkMessage } from './bundle-document.js';
import { entriesOf, type Entry } from './bundle-references.js';
import { isAbsoluteUrl } from './primitives.js';
import { shown, type Frame, type Run } from './run.js';
import { checkLinks, checkSearchSet } from './search-set.js';

const restType = /^https?:\/\/\S+\/([A-Z][A-Za-z]+)\/[A-Za-z0-9\-.]{1,64}(?:\/_history\/[A-Za-z0-9\-.]{1,64})?$/;
const urlIsOptional = new Set(['transaction', 'transaction-response', 'batch', 'batch-response']);
const firstResource: Readonly<Record<string, string>> = { document: 'Composition', message: 'MessageHeader' };

export function bundleRule(run: Run, frame: Frame): void {
  const bundle = frame.resource as Resource & { type?: unknown };
  const entries = entriesOf(bundle);
  const type = typeof bundle.type === 'string' ? bundle.type : '';
  checkLinks(run, bundle, type, frame.path);
  if (checkFirst(run, type, entries, frame.path)) {
    if (type === 'document') checkDocument(run, frame, entries);
    if (type === 'message') checkMessage(run, frame, entries);
  }
  if (type !== '') checkInteractions(run, type, entries, frame.path);
  if (type !== 'history') checkDistinct(run, entries, frame.path);
  if (type === 'searchset') checkSearchSet(run, bundle, entries, frame.path);
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

/** A document begins with a Composition, a message with a MessageHeader. */
function checkFirst(run: Run, type: string, entries: readonly Entry[], path: string): boolean {
  const expected = firstResource[type];
  if (expected === undefined) return true;
  const found = entries[0]?.resource?.resourceType;
  if (found === expected) return true;
  const where = entries.length === 0 ? path : `${path}.entry[0]`;
  run.error('structure', 'bundle-first', where, `a ${type} begins with ${found ?? 'nothing'}; expected a ${expected}`);
  return false;
}

/** bdl-3 and bdl-4: requests and responses stand where the type of the Bundle says. */
function checkInteractions(run: Run, type: string, entries: readonly Entry[], path: string): void {
  for (const [name, key, types] of interactions) {
    const isExpected = types.has(type);
    const at = entries.findIndex((entry) => (entry[name] !== undefined) !== isExpected);
    if (at < 0) continue;
    const text = `entry[${at}].${name} is ${isExpected ? 'missing' : 'present'}; expected ${isExpected ? 'in every' : 'in no'} entry of a ${type}`;
    run.error('invariant', `invariant:${key}`, path, text);
  }
}

const interactions = [
  ['request', 'bdl-3', new Set(['batch', 'transaction', 'history'])],
  ['response', 'bdl-4', new Set(['batch-response', 'transaction-response', 'history'])],
] as const;

/** bdl-7: no two entries have the same fullUrl and version. */
function checkDistinct(run: Run, entries: readonly Entry[], path: string): void {
  const seen = new Set<string>();
  for (const { fullUrl, resource } of entries) {
    if (typeof fullUrl !== 'string') continue;
    const version: unknown = resource?.meta?.versionId;
    const name = typeof version === 'string' ? `${fullUrl} ${version}` : fullUrl;
    if (seen.has(name)) {
      run.error(
        'invariant',
        'invariant:bdl-7',
        path,
        `two entries have the fullUrl ${shown(fullUrl)} and the same version`,
      );
      return;
    }
    seen.add(name);
  }
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
