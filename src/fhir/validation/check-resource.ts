/** A resource, wherever it stands: its type, its shape, its id, its profiles, and what comes with the place. */
import type { Resource } from '../../base/resource.js';
import { checkComplex, checkObject } from './check-object.js';
import { checkContained } from './contained.js';
import { isCanonical } from './extension-context.js';
import { isAbsoluteUrl } from './primitives.js';
import { objectsOf } from './objects.js';
import { resourceRules } from './resource-rules.js';
import { shown, type Frame, type Run } from './run.js';
import type { Property } from './shapes.js';

/** Checks a resource inside another one: in `contained`, in a Bundle entry, in a Parameters parameter. */
export function checkResource(run: Run, value: Record<string, unknown>, path: string, member: Property): void {
  const kind = member.definedAt.endsWith('.contained')
    ? 'contained'
    : member.definedAt.startsWith('Bundle')
      ? 'entry'
      : 'parameter';
  const frame: Frame = {
    resource: value as Resource,
    path,
    kind,
    parent: run.frame,
    fullUrl: fullUrlOf(run, path, kind),
  };
  inFrame(run, frame, () => checkByType(run, frame));
}

/** Checks the entries of a Bundle, one a step; the walk over the Bundle itself then leaves them out. */
export function* checkEntries(run: Run): Generator<void> {
  const { resource, path } = run.frame;
  const member = run.engine.shapes.of('Bundle')?.properties.get('entry');
  if (!member) return;
  for (const { object: entry, at } of objectsOf((resource as { entry?: unknown }).entry)) {
    run.holder = { object: resource, type: 'Bundle' };
    checkComplex(run, member, entry, `${path}.entry[${at}]`);
    run.checkedEntries.add(entry);
    yield;
  }
  run.holder = undefined;
}

/** Checks the resource of `frame`: base type, then profiles, then rules of its place. */
export function checkByType(run: Run, frame: Frame): void {
  const { resource, path } = frame;
  const type: unknown = resource.resourceType;
  if (typeof type !== 'string' || !run.engine.definitions.resourceTypes.has(type)) {
    const text = type === undefined ? 'is missing' : `is ${shown(type)}`;
    run.error('structure', 'resource-type', path, `resourceType ${text}; expected one of R4's resource types`);
    return;
  }
  const shape = run.engine.shapes.of(type);
  if (!shape) throw new Error(`the definitions lack the type ${type}`);
  const mark = run.issues.length;
  checkObject(run, shape, resource, path);
  const isSound = !run.failedSince(mark);
  checkContained(run, frame);
  checkUrl(run, frame, type);
  if (run.options.bestPractice) checkNarrative(run, frame, type);
  resourceRules[type]?.(run, frame, isSound);
  run.engine.profiles.checkResource(run, frame);
}

const withoutNarrative = new Set(['Bundle', 'Binary', 'Parameters']);

/** dom-6: there should be narrative. */
function checkNarrative(run: Run, { resource, path, kind }: Frame, type: string): void {
  if (kind === 'contained' || withoutNarrative.has(type)) return;
  const { div } = (resource.text as { div?: unknown } | undefined | null) ?? {};
  if (div === undefined) run.warning('invariant', 'dom-6', path, `${type} has no narrative; one is recommended`);
}

/** The URL that names a definition is absolute. */
function checkUrl(run: Run, { resource, path }: Frame, type: string): void {
  const url: unknown = resource.url;
  if (typeof url !== 'string' || isAbsoluteUrl(url) || !isCanonical(run, type)) return;
  run.error('value', 'canonical-url', `${path}.url`, `${type}.url is ${shown(url)}; expected an absolute URL`);
}

/** Runs `body` with `frame` as the present resource. */
function inFrame(run: Run, frame: Frame, body: () => void): void {
  const outer = run.frame;
  run.frame = frame;
  try {
    body();
  } finally {
    run.frame = outer;
  }
}

function fullUrlOf(run: Run, path: string, kind: Frame['kind']): string | undefined {
  if (kind !== 'entry') return undefined;
  const index = /\.entry\[(\d+)\]\.resource$/.exec(path)?.[1];
  const entries = (run.frame.resource as { entry?: { fullUrl?: unknown }[] }).entry;
  const fullUrl = index === undefined ? undefined : entries?.[Number(index)]?.fullUrl;
  return typeof fullUrl === 'string' ? fullUrl : undefined;
}
