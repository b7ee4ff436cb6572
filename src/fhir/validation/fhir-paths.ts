/** The FHIRPath engine for invariants: one model and one cache of compiled expressions for each set of definitions. */
import type { Resource } from '../../base/resource.js';
import type { Definitions } from '../definitions/definitions.js';
import { compileFhirPath, primitiveNode, Scope, type CompiledPath, type FhirPathEnv } from '../fhirpath/fhirpath.js';
import { FhirModel } from '../fhirpath/model.js';
import type { FhirPaths } from './invariants.js';
import { outermost, resolve } from './reference.js';
import type { Frame, Run } from './run.js';

export function fhirPaths(definitions: Definitions): FhirPaths {
  const model = new FhirModel((nameOrUrl) => definitions.structureDefinition(nameOrUrl));
  const compiled = new Map<string, CompiledPath>();
  return {
    compile(expression, type) {
      const key = `${type ?? ''}\n${expression}`;
      let path = compiled.get(key);
      if (!path) compiled.set(key, (path = compileFhirPath(expression, model, { type })));
      return path;
    },
    scope: (run, frame) => new Scope(environment(run, frame)),
    primitive: (value, type, sibling) => primitiveNode(model, value, type, sibling),
  };
}

function environment(run: Run, frame: Frame): FhirPathEnv {
  return {
    resource: frame.resource,
    rootResource: outermost(frame).resource,
    resolve: (reference) => {
      const target = resolve(run, reference);
      return target === 'missing' ? undefined : target.resource;
    },
    memberOf: (value, type, valueSet) => {
      return run.engine.bindings.terminology.knowsValueSet(valueSet)
        ? run.engine.bindings.isIn(valueSet, type, value)
        : undefined;
    },
    conformsTo: (value, profile) => conformsTo(run, value, profile),
  };
}

/** Evaluated in a frame of its own: the scope of the rule that asks is in use. */
function conformsTo(run: Run, value: unknown, profile: string): boolean | undefined {
  const resource = value as Resource | null;
  const definition = run.engine.definitions.structureDefinition(profile);
  if (!definition || typeof resource !== 'object' || resource === null) return undefined;
  const outer = run.frame;
  run.frame = { ...outer, resource, scope: undefined };
  try {
    const type = resource.resourceType ?? definition.type;
    if (definition.derivation !== 'constraint') return type === definition.type;
    return run.engine.profiles.conforms(run, profile, { value, sibling: undefined, path: outer.path, type });
  } finally {
    run.frame = outer;
  }
}
