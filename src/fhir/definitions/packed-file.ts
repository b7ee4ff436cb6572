/**
 * Reads one file of profiles/r4-core: gzip, first line an index, then one resource a line (written by tools/r4/generate.mjs).
 *
 * A resource is parsed when it is first asked for; until then it is a slice of one buffer.
 */
import { readFileSync } from 'node:fs';
import { gunzipSync } from 'node:zlib';
import type { CanonicalResource } from './types.js';

/** What is known of a definition without parsing it. */
export interface DefinitionFacts {
  readonly resourceType: string;
  readonly url: string;
  readonly version?: string;
  readonly name?: string;
  /** Of a StructureDefinition: the type that it defines or constrains. */
  readonly type?: string;
  readonly kind?: string;
  readonly derivation?: string;
  readonly abstract?: boolean;
  /** Of a CompartmentDefinition. */
  readonly code?: string;
  /** Of a CodeSystem: the value set of all its codes. */
  readonly valueSet?: string;
}

/** A definition that is at hand but perhaps not parsed yet. `read` answers the same object each time. */
export interface DefinitionEntry extends DefinitionFacts {
  read(): CanonicalResource;
}

/** Entries of `file`, in the order of their URLs. @throws Error when the file is missing or not of this form. */
export function readPackedFile(file: string, resourceType: string): DefinitionEntry[] {
  const content = gunzipSync(readFileSync(file));
  const indexEnd = content.indexOf(10);
  const index = JSON.parse(content.toString('utf8', 0, indexEnd)) as [
    string,
    number,
    Omit<DefinitionFacts, 'resourceType' | 'url'>,
  ][];
  let at = indexEnd + 1;
  return index.map(([url, length, facts]) => {
    const start = at;
    at += length;
    return lazyEntry({ resourceType, url, ...facts }, () => content.toString('utf8', start, start + length));
  });
}

/** An entry whose JSON text is parsed at the first `read`. */
export function lazyEntry(facts: DefinitionFacts, text: () => string): DefinitionEntry {
  let resource: CanonicalResource | undefined;
  return { ...facts, read: () => (resource ??= JSON.parse(text()) as CanonicalResource) };
}

/** An entry of a resource that is parsed already. */
export function entryOf(resource: CanonicalResource): DefinitionEntry {
  const { resourceType, url, version, name, type, kind, derivation, abstract, code, valueSet } =
    resource as CanonicalResource & DefinitionFacts;
  return {
    resourceType,
    url,
    version,
    name,
    type,
    kind,
    derivation,
    abstract,
    code,
    valueSet,
    read: () => resource,
  };
}
