/**
 * The definitions in force: R4 core, and whatever packages or uploads lie over it.
 *
 * Immutable: `with` answers a new registry that shares what it stands on, so a validator, a search index and a request that hold one
 * registry see one consistent set. Spec: https://hl7.org/fhir/R4/conformance-module.html
 */
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { entryOf, readPackedFile, type DefinitionEntry, type DefinitionFacts } from './packed-file.js';
import type {
  CanonicalResource,
  CodeSystem,
  CompartmentDefinition,
  OperationDefinition,
  SearchParameter,
  StructureDefinition,
  ValueSet,
} from './types.js';

export type { DefinitionEntry, DefinitionFacts } from './packed-file.js';

/** Prefix of the canonical URLs of R4's own types. */
export const coreStructure = 'http://hl7.org/fhir/StructureDefinition/';

export interface Definitions {
  /** By canonical URL (`|version` allowed, and then exact) or by type name (`Patient`, `HumanName`, `string`). */
  structureDefinition(urlOrType: string): StructureDefinition | undefined;
  /** Facts of every StructureDefinition, later layers first, no URL twice. */
  structureDefinitions(): Iterable<DefinitionFacts>;
  /** By canonical URL; a `|version` that is not at hand falls back to the version that is. */
  valueSet(canonical: string): ValueSet | undefined;
  /** By canonical URL; a `|version` that is not at hand falls back to the version that is. */
  codeSystem(canonical: string): CodeSystem | undefined;
  operationDefinition(canonical: string): OperationDefinition | undefined;
  /** Any kind, `url|version` as for that kind. Kinds: the `resourceType`s that are kept. */
  resource(resourceType: string, canonical: string): CanonicalResource | undefined;
  /** Entries of one kind, later layers first, no URL twice. */
  entries(resourceType: string): Iterable<DefinitionEntry>;
  /** Every SearchParameter, later layers first, no URL twice. */
  searchParameters(): readonly SearchParameter[];
  /** The concrete resource types of R4: 146, without Resource and DomainResource. */
  readonly resourceTypes: ReadonlySet<string>;
  /**
   * Which search parameters put a resource into a compartment. Spec: https://hl7.org/fhir/R4/compartmentdefinition.html
   * @param code `Patient`, `Encounter`, `Practitioner`, `RelatedPerson` or `Device`.
   * @returns resource type -> parameter codes; types outside the compartment are absent. Empty for an unknown `code`.
   */
  compartment(code: string): ReadonlyMap<string, readonly string[]>;
  /** A registry with `resources` on top; of one canonical URL and version, the one added last counts. */
  with(resources: Iterable<CanonicalResource | DefinitionEntry>): Definitions;
}

const files: Readonly<Record<string, string>> = {
  StructureDefinition: 'structure-definitions',
  ValueSet: 'value-sets',
  CodeSystem: 'code-systems',
  SearchParameter: 'search-parameters',
  OperationDefinition: 'operation-definitions',
  CompartmentDefinition: 'compartment-definitions',
};

/** One layer: entries of one kind by URL, all versions, the latest added last. */
type Layer = (resourceType: string) => ReadonlyMap<string, readonly DefinitionEntry[]>;

/**
 * R4 core from `folder` (default: profiles/r4-core of this installation). Each kind's file is read when it is first used.
 * @throws Error when a file is missing or damaged.
 */
export function loadDefinitions(folder: string = coreFolder()): Definitions {
  const kinds = new Map<string, ReadonlyMap<string, readonly DefinitionEntry[]>>();
  return new LayeredDefinitions(undefined, (resourceType) => {
    let kind = kinds.get(resourceType);
    if (!kind) {
      const file = files[resourceType];
      kind = file ? byUrl(readPackedFile(path.join(folder, `${file}.ndjson.gz`), resourceType)) : new Map();
      kinds.set(resourceType, kind);
    }
    return kind;
  });
}

/** The folder profiles/r4-core, from dist/src/fhir/definitions/ as well as from src/fhir/definitions/. */
function coreFolder(): string {
  const here = fileURLToPath(import.meta.url);
  const root = here.slice(0, here.lastIndexOf(`${path.sep}src${path.sep}`)).replace(/[\\/]dist$/, '');
  return path.join(root, 'profiles', 'r4-core');
}

class LayeredDefinitions implements Definitions {
  private compartments?: ReadonlyMap<string, ReadonlyMap<string, readonly string[]>>;
  private parameters?: readonly SearchParameter[];
  private types?: ReadonlySet<string>;

  constructor(
    private readonly base: LayeredDefinitions | undefined,
    private readonly layer: Layer,
  ) {}

  structureDefinition(urlOrType: string): StructureDefinition | undefined {
    const canonical = urlOrType.includes(':') ? urlOrType : coreStructure + urlOrType;
    return this.find('StructureDefinition', canonical, true)?.read() as StructureDefinition | undefined;
  }

  structureDefinitions(): Iterable<DefinitionFacts> {
    return this.entries('StructureDefinition');
  }

  valueSet(canonical: string): ValueSet | undefined {
    return this.resource('ValueSet', canonical) as ValueSet | undefined;
  }

  codeSystem(canonical: string): CodeSystem | undefined {
    return this.resource('CodeSystem', canonical) as CodeSystem | undefined;
  }

  operationDefinition(canonical: string): OperationDefinition | undefined {
    return this.resource('OperationDefinition', canonical) as OperationDefinition | undefined;
  }

  resource(resourceType: string, canonical: string): CanonicalResource | undefined {
    return this.find(resourceType, canonical, resourceType === 'StructureDefinition')?.read();
  }

  *entries(resourceType: string): Iterable<DefinitionEntry> {
    const seen = new Set<string>();
    for (const layer of this.layers()) {
      for (const [url, versions] of layer(resourceType)) {
        if (seen.has(url)) continue;
        seen.add(url);
        yield versions[versions.length - 1];
      }
    }
  }

  searchParameters(): readonly SearchParameter[] {
    return (this.parameters ??= [...this.entries('SearchParameter')].map((entry) => entry.read() as SearchParameter));
  }

  get resourceTypes(): ReadonlySet<string> {
    return (this.types ??= this.base?.resourceTypes ?? new Set(concreteResources(this.entries('StructureDefinition'))));
  }

  compartment(code: string): ReadonlyMap<string, readonly string[]> {
    this.compartments ??= new Map(
      [...this.entries('CompartmentDefinition')].map((entry) => {
        const definition = entry.read() as CompartmentDefinition;
        const members = (definition.resource ?? []).filter(({ param }) => param !== undefined && param.length > 0);
        return [definition.code, new Map(members.map(({ code: type, param }) => [type, param ?? []]))];
      }),
    );
    return this.compartments.get(code) ?? new Map();
  }

  with(resources: Iterable<CanonicalResource | DefinitionEntry>): Definitions {
    const kinds = new Map<string, DefinitionEntry[]>();
    for (const resource of resources) {
      const entry = isEntry(resource) ? resource : entryOf(resource);
      if (!entry.url) continue; // nobody can name it
      const kind = kinds.get(entry.resourceType);
      if (kind) kind.push(entry);
      else kinds.set(entry.resourceType, [entry]);
    }
    const layer = new Map([...kinds].map(([resourceType, entries]) => [resourceType, byUrl(entries)]));
    return new LayeredDefinitions(this, (resourceType) => layer.get(resourceType) ?? none);
  }

  /** Own layer first, core last. */
  private layers(): readonly Layer[] {
    return this.base ? [this.layer, ...this.base.layers()] : [this.layer];
  }

  private find(resourceType: string, canonical: string, exact: boolean): DefinitionEntry | undefined {
    const bar = canonical.indexOf('|');
    const url = bar < 0 ? canonical : canonical.slice(0, bar);
    const version = bar < 0 ? undefined : canonical.slice(bar + 1);
    let other: DefinitionEntry | undefined;
    for (const layer of this.layers()) {
      const versions = layer(resourceType).get(url);
      if (!versions) continue;
      if (version === undefined) return versions[versions.length - 1];
      const same = versions.findLast((entry) => entry.version === undefined || isVersion(entry.version, version));
      if (same) return same;
      other ??= versions[versions.length - 1];
    }
    return exact ? undefined : other;
  }
}

const none: ReadonlyMap<string, readonly DefinitionEntry[]> = new Map();

/** `4.0` names any 4.0.x, as canonical references to packages do. */
function isVersion(version: string, asked: string): boolean {
  return version === asked || version.startsWith(`${asked}.`);
}

function isEntry(value: CanonicalResource | DefinitionEntry): value is DefinitionEntry {
  return typeof (value as DefinitionEntry).read === 'function';
}

function byUrl(entries: readonly DefinitionEntry[]): Map<string, DefinitionEntry[]> {
  const map = new Map<string, DefinitionEntry[]>();
  for (const entry of entries) {
    const versions = map.get(entry.url);
    if (versions) versions.push(entry);
    else map.set(entry.url, [entry]);
  }
  return map;
}

function concreteResources(entries: Iterable<DefinitionFacts>): string[] {
  return [...entries]
    .filter(({ kind, derivation, abstract }) => kind === 'resource' && derivation === 'specialization' && !abstract)
    .map(({ type }) => type as string)
    .sort();
}
