/**
 * A FHIR NPM package (.tgz): conformance resources under `package/`, described by `package/package.json`.
 *
 * Spec: https://confluence.hl7.org/display/FHIR/NPM+Package+Specification
 */
import { createHash } from 'node:crypto';
import { lazyEntry, type DefinitionEntry, type DefinitionFacts } from '../definitions/packed-file.js';
import type { CanonicalResource, CodeSystem } from '../definitions/types.js';
import { compact, definitionTypes } from './compact.js';
import { ArchiveError, readTarGz } from './tar.js';

export interface FhirPackage {
  readonly name: string;
  readonly version: string;
  /** SHA-256 of the unpacked definition files (see `contentDigest`), hexadecimal: the same however the archive was compressed. */
  readonly digest: string;
  /** Package name to version, as `package.json` says. */
  readonly dependencies: Readonly<Record<string, string>>;
  readonly entries: readonly DefinitionEntry[];
  /** CodeSystems that add designations and properties to others. */
  readonly supplements: readonly CodeSystem[];
  /** Canonical URLs that its profiles need, each with one profile that needs it. */
  readonly references: ReadonlyMap<string, { readonly kind: 'StructureDefinition' | 'ValueSet'; readonly by: string }>;
  /** Files that were passed over, with the reason. */
  readonly skipped: readonly string[];
}

/** A package that cannot be used at all. */
export class PackageError extends Error {
  override readonly name = 'PackageError';
}

const maxUnpackedBytes = 512 * 1024 * 1024;

/**
 * Reads a package. Its resources are kept as compact JSON text and parsed again when they are first asked for.
 * @param source what to call it in messages: a file name.
 * @throws PackageError when it is no gzipped tar, has no readable package.json, or is for another FHIR version than R4.
 */
export function readPackage(archive: Uint8Array, source: string): FhirPackage {
  try {
    return new PackageReader(source).read(archive);
  } catch (error) {
    if (error instanceof ArchiveError) throw new PackageError(`${source} is no FHIR package: ${error.message}`);
    throw error;
  }
}

interface Manifest {
  readonly name?: unknown;
  readonly version?: unknown;
  readonly fhirVersions?: unknown;
  readonly 'fhir-version-list'?: unknown;
  readonly dependencies?: unknown;
}

class PackageReader {
  private readonly entries: DefinitionEntry[] = [];
  private readonly supplements: CodeSystem[] = [];
  private readonly references = new Map<string, { kind: 'StructureDefinition' | 'ValueSet'; by: string }>();
  private readonly skipped: string[] = [];
  private readonly fileDigests: string[] = [];
  private manifest: Manifest | undefined;

  constructor(private readonly source: string) {}

  read(archive: Uint8Array): FhirPackage {
    for (const { name, content } of readTarGz(archive, maxUnpackedBytes)) {
      const file = /^(?:\.\/)?package\/([^/\\]+\.json)$/.exec(name)?.[1];
      if (file === 'package.json') this.manifest = this.parse(file, content) as Manifest | undefined;
      else if (file !== undefined && !file.startsWith('.')) this.take(file, content);
    }
    const { name, version, dependencies, ...rest } = this.manifest ?? {};
    if (typeof name !== 'string' || typeof version !== 'string') {
      throw new PackageError(`${this.source} is no FHIR package: it has no package/package.json with name and version`);
    }
    const versions = rest.fhirVersions ?? rest['fhir-version-list'];
    if (Array.isArray(versions) && !versions.some((text) => String(text).startsWith('4.0'))) {
      throw new PackageError(`${name}#${version} is for FHIR ${versions.join(', ')}, not for 4.0`);
    }
    const digest = createHash('sha256').update(this.fileDigests.sort().join('\n')).digest('hex');
    return {
      name,
      version,
      digest,
      dependencies: Object.fromEntries(
        Object.entries(isObject(dependencies) ? dependencies : {}).map(([key, value]) => [key, String(value)]),
      ),
      entries: this.entries,
      supplements: this.supplements,
      references: this.references,
      skipped: this.skipped,
    };
  }

  private take(file: string, content: Buffer): void {
    const resource = this.parse(file, content) as CanonicalResource | undefined;
    if (!isObject(resource) || !definitionTypes.has(String(resource.resourceType))) return;
    if (typeof resource.url !== 'string' || resource.url === '') {
      this.skipped.push(`${file}: it has no url`);
      return;
    }
    this.fileDigests.push(`${file} ${createHash('sha256').update(content).digest('hex')}`);
    const kept = compact(resource);
    this.note(kept);
    if (kept.resourceType === 'CodeSystem' && kept.content === 'supplement') this.supplements.push(kept as CodeSystem);
    // Latin-1 text takes one byte a character in the heap; other text is kept as UTF-8.
    const bytes = Buffer.from(JSON.stringify(kept), 'utf8');
    this.entries.push(lazyEntry(factsOf(kept), () => bytes.toString('utf8')));
  }

  private parse(file: string, content: Buffer): unknown {
    try {
      return JSON.parse(content.toString('utf8').replace(/^\uFEFF/, '')) as unknown;
    } catch {
      this.skipped.push(`${file}: it is not JSON`);
      return undefined;
    }
  }

  /** Collects what a profile needs from elsewhere. */
  private note(resource: CanonicalResource): void {
    if (resource.resourceType !== 'StructureDefinition') return;
    const need = (kind: 'StructureDefinition' | 'ValueSet', canonical: unknown) => {
      if (typeof canonical !== 'string' || canonical.startsWith('#') || this.references.has(canonical)) return;
      this.references.set(canonical, { kind, by: resource.url });
    };
    need('StructureDefinition', resource.baseDefinition);
    const view = (resource.snapshot ?? resource.differential) as { element?: readonly Record<string, unknown>[] };
    for (const { type, binding } of view?.element ?? []) {
      if (isObject(binding) && binding.strength !== 'example') need('ValueSet', binding.valueSet);
      for (const each of Array.isArray(type) ? type.filter(isObject) : []) {
        for (const canonical of [each.profile, each.targetProfile].flat()) need('StructureDefinition', canonical);
      }
    }
  }
}

function factsOf(resource: CanonicalResource): DefinitionFacts {
  const { resourceType, url, version, name, type, kind, derivation, abstract, code, valueSet } =
    resource as CanonicalResource & DefinitionFacts;
  return { resourceType, url, version, name, type, kind, derivation, abstract, code, valueSet };
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
