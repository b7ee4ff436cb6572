/**
 * The ProfileSet manifest: everything that decides what a receipt says, pinned by digests.
 *
 * Canonical JSON (RFC 8785); its SHA-256 is what the members of a network ratify. The same on every machine, locale, time zone and Node
 * version: nothing in it comes from the running system. Format: docs/poi-receipt.md.
 */
import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { FhirError } from '../../base/outcome.js';
import type { Definitions } from '../definitions/definitions.js';
import type { CanonicalResource, ValueSet } from '../definitions/types.js';
import type { FhirPackage } from '../packages/package.js';
import type { Terminology } from '../terminology/terminology.js';

/** Raised by hand whenever a rule of the validator changes what a receipt says. */
const validatorVersion = 'mooring-validator-1';

/** What was found out about the core definitions when they were generated. */
export interface CoreFacts {
  /** SHA-256 over the digests of their files, hexadecimal. */
  readonly digest: string;
  /** URLs of the core value sets and of every code system and value set that they are made from. */
  readonly names: ReadonlySet<string>;
  readonly expansions: readonly ExpansionDigest[];
}

/** What the validator was told; part of the manifest because it decides about severities. */
export interface ProfileSetOptions {
  readonly unknownProfile: 'error' | 'warning';
  readonly bestPractice: boolean;
  readonly checkReferenceTypes: boolean;
  /** Base URL of the terminology server whose answers count; absent: none. */
  readonly terminologyServer?: string;
  /** Resource type to canonical URLs that every instance must meet. */
  readonly demanded: Readonly<Record<string, readonly string[]>>;
}

export interface ProfileSet {
  /** Canonical JSON, UTF-8. */
  readonly text: string;
  /** SHA-256 of the text, 64 hexadecimal digits. */
  readonly digest: string;
}

/** One value set as it was expanded. */
export interface ExpansionDigest {
  readonly url: string;
  readonly version?: string;
  /** How many codes. */
  readonly codes: number;
  /** SHA-256 over the sorted lines `system|code\n`, hexadecimal. */
  readonly digest: string;
}

export interface ProfileSetParts {
  readonly definitions: Definitions;
  readonly terminology: Terminology;
  readonly packages: readonly FhirPackage[];
  /** Resources that were uploaded, beside those of packages. */
  readonly uploads: readonly CanonicalResource[];
  readonly core: CoreFacts;
  readonly options: ProfileSetOptions;
}

/** The manifest of what is in force. */
export function makeProfileSet(parts: ProfileSetParts): ProfileSet {
  const { packages, uploads, core } = parts;
  const { unknownProfile, bestPractice, checkReferenceTypes, demanded, terminologyServer } = parts.options;
  const manifest = {
    core: { digest: core.digest, fhirVersion: '4.0.1' },
    expansions: expansionsOf(parts),
    format: 'mooring-profile-set-1',
    options: {
      bestPractice,
      checkReferenceTypes,
      demanded: sortedLists(demanded),
      ...(terminologyServer === undefined ? {} : { terminologyServer }),
      unknownProfile,
    },
    packages: packages.map(({ name, version, digest }) => ({ digest, name, version })).sort(byText),
    registries: registryDigests(),
    uploads: uploads.map(uploadOf).sort(byText),
    validator: validatorVersion,
  };
  const text = canonicalText(manifest);
  return { text, digest: createHash('sha256').update(text, 'utf8').digest('hex') };
}

/** Expansions of the value sets in `valueSets` that can be listed, sorted by URL. */
export function expansionDigests(
  valueSets: Iterable<Pick<ValueSet, 'url' | 'version'>>,
  terminology: Terminology,
): ExpansionDigest[] {
  const digests: ExpansionDigest[] = [];
  for (const { url, version } of valueSets) {
    const codes = codesOf(url, terminology);
    if (!codes) continue;
    const hash = createHash('sha256');
    for (const code of codes) hash.update(`${code}\n`, 'utf8');
    digests.push({
      codes: codes.length,
      digest: hash.digest('hex'),
      url,
      ...(version === undefined ? {} : { version }),
    });
  }
  return digests.sort((a, b) => compareText(a.url, b.url));
}

function codesOf(url: string, terminology: Terminology): string[] | undefined {
  try {
    return terminology
      .expand(url)
      .contains.map(({ system, code }) => `${system}|${code}`)
      .sort();
  } catch (error) {
    if (error instanceof FhirError) return undefined; // it cannot be listed: no code system at hand, or a grammar
    throw error;
  }
}

function expansionsOf({
  definitions,
  terminology,
  packages,
  uploads,
  core,
}: ProfileSetParts): readonly ExpansionDigest[] {
  const added = [...packages.flatMap(({ entries }) => entries), ...uploads];
  const codeParts = added.filter(({ resourceType }) => resourceType === 'CodeSystem' || resourceType === 'ValueSet');
  // What the core value sets are made from has changed: all are made again.
  if (codeParts.some(({ url }) => core.names.has(url))) {
    return expansionDigests(definitions.entries('ValueSet'), terminology);
  }
  const addedSets = new Set(codeParts.filter(({ resourceType }) => resourceType === 'ValueSet').map(({ url }) => url));
  const sets = [...definitions.entries('ValueSet')].filter(({ url }) => addedSets.has(url));
  return [...core.expansions, ...expansionDigests(sets, terminology)].sort((a, b) => compareText(a.url, b.url));
}

function uploadOf(resource: CanonicalResource): {
  digest: string;
  resourceType: string;
  url: string;
  version?: string;
} {
  const { resourceType, url, version } = resource;
  const digest = createHash('sha256')
    .update(canonicalText(withoutServerMeta(resource)), 'utf8')
    .digest('hex');
  return { digest, resourceType, url, ...(version === undefined ? {} : { version }) };
}

/** The same resource uploaded to two servers gets other ids and times: they do not count. */
function withoutServerMeta(resource: CanonicalResource): Record<string, unknown> {
  const { meta, ...rest } = resource as Record<string, unknown> & { meta?: Record<string, unknown> };
  delete rest.id;
  if (meta === undefined) return rest;
  const kept = { ...meta };
  delete kept.versionId;
  delete kept.lastUpdated;
  return Object.keys(kept).length > 0 ? { ...rest, meta: kept } : rest;
}

let registries: Readonly<Record<string, string>> | undefined;

/** SHA-256 of the tables behind the grammars, which cannot be listed as expansions. */
function registryDigests(): Readonly<Record<string, string>> {
  if (!registries) {
    const { resolve } = createRequire(import.meta.url);
    const digestOf = (files: readonly string[]) => {
      const hash = createHash('sha256');
      for (const file of files) hash.update(readFileSync(resolve(file)));
      return hash.digest('hex');
    };
    const kinds = ['language', 'extlang', 'script', 'region', 'variant', 'grandfathered'];
    registries = {
      'bcp-47': digestOf(kinds.map((kind) => `language-subtag-registry/data/json/${kind}.json`)),
      ucum: digestOf(['@lhncbc/ucum-lhc/data/ucumDefs.min.json']),
    };
  }
  return registries;
}

function sortedLists(lists: Readonly<Record<string, readonly string[]>>): Record<string, string[]> {
  return Object.fromEntries(Object.entries(lists).map(([key, list]) => [key, [...new Set(list)].sort()]));
}

function compareText(a: string, b: string): number {
  if (a === b) return 0;
  return a < b ? -1 : 1;
}

function byText(a: unknown, b: unknown): number {
  return compareText(canonicalText(a), canonicalText(b));
}

/** The package is CommonJS whose types say otherwise. */
const canonicalize = createRequire(import.meta.url)('canonicalize') as (value: unknown) => string | undefined;

/** RFC 8785. @throws TypeError for what JSON cannot say. */
function canonicalText(value: unknown): string {
  const text = canonicalize(value);
  if (text === undefined) throw new TypeError('not a JSON value');
  return text;
}
