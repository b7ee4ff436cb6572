/** Packages from folders and files, laid over the definitions; and what they need that is not there. */
import { existsSync, readFileSync, readdirSync, statSync } from 'node:fs';
import path from 'node:path';
import type { Definitions } from '../definitions/definitions.js';
import type { CodeSystem } from '../definitions/types.js';
import { readPackage, type FhirPackage } from './package.js';

export interface LoadedPackages {
  /** In the order in which they were laid on: dependencies first, otherwise by name and version. */
  readonly packages: readonly FhirPackage[];
  readonly definitions: Definitions;
  readonly supplements: readonly CodeSystem[];
  /** One sentence for each thing that a package needs and that is not there; sorted. */
  readonly unresolved: readonly string[];
}

/**
 * Lays the packages in `paths` over `definitions`.
 * @param paths .tgz files, or folders whose .tgz files are taken (not those in folders below). A folder that does not exist counts as empty.
 * @throws PackageError for a file that is no R4 package; Error when a named file cannot be read.
 */
export function loadPackages(paths: readonly string[], definitions: Definitions): LoadedPackages {
  const byId = new Map<string, FhirPackage>();
  for (const file of paths.flatMap(packageFiles)) {
    const found = readPackage(readFileSync(file), path.basename(file));
    byId.set(`${found.name}#${found.version}`, found);
  }
  const packages = inOrder([...byId.values()].sort(byName));
  let layered = definitions;
  for (const { entries } of packages) layered = layered.with(entries);
  return {
    packages,
    definitions: layered,
    supplements: packages.flatMap(({ supplements }) => supplements),
    unresolved: unresolvedOf(packages, layered),
  };
}

function packageFiles(location: string): string[] {
  if (!existsSync(location) && !location.endsWith('.tgz')) return [];
  if (!statSync(location).isDirectory()) return [location];
  return readdirSync(location)
    .filter((name) => name.endsWith('.tgz'))
    .sort()
    .map((name) => path.join(location, name));
}

function byName(a: FhirPackage, b: FhirPackage): number {
  const [left, right] = [`${a.name}#${a.version}`, `${b.name}#${b.version}`];
  return left < right ? -1 : Number(left > right);
}

function inOrder(packages: readonly FhirPackage[]): FhirPackage[] {
  const ordered = new Set<FhirPackage>();
  const open = new Set<FhirPackage>();
  const visit = (one: FhirPackage) => {
    if (ordered.has(one) || open.has(one)) return;
    open.add(one);
    for (const name of Object.keys(one.dependencies).sort()) {
      for (const other of packages) if (other.name === name) visit(other);
    }
    ordered.add(one);
  };
  packages.forEach(visit);
  return [...ordered];
}

/** These come with the server. */
const included = new Set(['hl7.fhir.r4.core', 'hl7.fhir.r4.expansions']);

function unresolvedOf(packages: readonly FhirPackage[], definitions: Definitions): string[] {
  const missing = new Set<string>();
  for (const one of packages) {
    for (const [name, version] of Object.entries(one.dependencies)) {
      if (included.has(name) || packages.some((other) => other.name === name && isVersion(other.version, version)))
        continue;
      missing.add(`${one.name}#${one.version} depends on the package ${name}#${version}, which is not loaded`);
    }
    for (const [canonical, { kind, by }] of one.references) {
      if (definitions.resource(kind, canonical)) continue;
      missing.add(`${one.name}#${one.version} needs the ${kind} ${canonical} (in ${by}), which is not at hand`);
    }
  }
  return [...missing].sort();
}

function isVersion(version: string, wanted: string): boolean {
  if (wanted === 'latest' || wanted === 'current' || wanted === '*') return true;
  const prefix = wanted.replace(/^[\^~]/, '').replace(/\.[x*]$/, '');
  return version === prefix || version.startsWith(`${prefix}.`);
}
