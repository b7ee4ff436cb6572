/** Loads R4's definitions and the packages in profiles/ and of the configuration. */
import path from 'node:path';
import type { Log } from '../base/log.js';
import type { Config } from '../config.js';
import { loadDefinitions } from '../fhir/definitions/definitions.js';
import { ActiveDefinitions } from '../fhir/packages/active-definitions.js';
import { loadPackages } from '../fhir/packages/load-packages.js';
import { coreFolder } from '../fhir/validation/core-facts.js';

/** @throws PackageError for a file that is no R4 package. */
export function loadActiveDefinitions(config: Config, log: Log): ActiveDefinitions {
  const loaded = loadPackages([path.dirname(coreFolder), ...config.fhir.packages], loadDefinitions());
  for (const { name, version, entries } of loaded.packages) {
    const unresolved = loaded.unresolved.filter((text) => text.startsWith(`${name}#${version} `));
    log.write({ event: 'package-loaded', name, version, resources: entries.length, unresolved });
  }
  return new ActiveDefinitions(loaded, {
    unknownProfile: config.fhir.unknownProfile,
    bestPractice: false,
    checkReferenceTypes: true,
    demanded: {},
  });
}
