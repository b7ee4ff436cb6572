/** The validator: FHIR R4 definitions, terminology and FHIRPath put together. */
import type { Issue } from '../../base/outcome.js';
import type { Resource } from '../../base/resource.js';
import type { Definitions } from '../definitions/definitions.js';
import type { Terminology } from '../terminology/terminology.js';
import { Bindings } from './bindings.js';
import { Bundles } from './bundle-references.js';
import { checkByType, checkEntries } from './check-resource.js';
import { noteCoverage } from './coverage.js';
import type { Engine } from './engine.js';
import { fhirPaths } from './fhir-paths.js';
import { Invariants } from './invariants.js';
import { Profiles } from './profiles.js';
import { Run, shown } from './run.js';
import { Shapes } from './shapes.js';
import type { ValidationOptions, Validator } from './validator.js';

/** What the validator is built from; all of it is only read. */
export interface ValidatorServices {
  readonly definitions: Definitions;
  readonly terminology: Terminology;
}

/** A validator for the definitions and terminology in `services`. Building costs little; profiles compile when they are first met. */
export function createValidator(services: ValidatorServices): Validator {
  const { definitions, terminology } = services;
  const shapes = new Shapes(definitions);
  const engine: Engine = {
    definitions,
    shapes,
    bindings: new Bindings(terminology, definitions),
    invariants: new Invariants(fhirPaths(definitions)),
    profiles: new Profiles(definitions, shapes),
    bundles: new Bundles(),
  };
  return {
    validate(resource, options = {}) {
      const steps = validateInSteps(engine, resource, options);
      for (;;) {
        const step = steps.next();
        if (step.done) return step.value;
      }
    },
    validateInSteps: (resource, options = {}) => validateInSteps(engine, resource, options),
  };
}

function* validateInSteps(engine: Engine, resource: Resource, options: ValidationOptions): Generator<void, Issue[]> {
  if (typeof resource !== 'object' || resource === null || Array.isArray(resource)) {
    const diagnostics = `the resource is ${shown(resource)}; expected a JSON object`;
    return [{ severity: 'fatal', code: 'structure', rule: 'not-an-object', diagnostics }];
  }
  if (options.mode === 'delete') return [];
  const path = typeof resource.resourceType === 'string' ? resource.resourceType : 'Resource';
  const run = new Run(engine, options, { resource, path, kind: 'root' });
  if (path === 'Bundle') yield* checkEntries(run);
  checkByType(run, run.frame);
  noteCoverage(run.issues, run.coverage);
  return run.issues;
}
