/** What search parameters select, by the FHIRPath engine: the plain evaluator's own way to values. */
import type { Resource } from '../../base/resource.js';
import { compileFhirPath, Scope, type CompiledPath } from '../fhirpath/fhirpath.js';
import { systemsOfValue } from './implied.js';
import type { Parameter, SearchParameters } from './parameters.js';
import { targetTypeOf } from './reference-text.js';

/** A value with its FHIR type. */
export interface FoundValue {
  readonly value: unknown;
  readonly type: string;
  /** Code systems of a value whose system is not written down; undefined when not known. */
  readonly systems?: ReadonlySet<string>;
}

const compiled = new WeakMap<SearchParameters, Map<string, CompiledPath>>();

function pathOf(parameters: SearchParameters, expression: string, type?: string): CompiledPath {
  let paths = compiled.get(parameters);
  if (!paths) compiled.set(parameters, (paths = new Map()));
  const key = `${type ?? ''} ${expression}`;
  let path = paths.get(key);
  if (!path) paths.set(key, (path = compileFhirPath(expression, parameters.model, type ? { type } : {})));
  return path;
}

function scopeOf(resource: Resource): Scope {
  return new Scope({
    resource: resource as never,
    rootResource: resource as never,
    resolve: (reference: string) => {
      const resourceType = targetTypeOf({ reference });
      return resourceType === undefined ? undefined : ({ resourceType } as never);
    },
  });
}

/** The values of a parameter that is no composite. */
export function valuesOfParameter(
  parameters: SearchParameters,
  resource: Resource,
  parameter: Parameter,
): FoundValue[] {
  const expression = parameter.definition.expression ?? '';
  const found = pathOf(parameters, expression).values(resource, scopeOf(resource));
  return found
    .filter(({ value }) => value !== undefined)
    .map(({ value, type }) => {
      const systems = typeof value === 'object' ? undefined : systemsOfValue(parameters, parameter.selections, type);
      return { value, type, ...(systems ? { systems } : {}) };
    });
}

/** For each occurrence of one base of a composite: the values of each component. */
export function valuesOfComponent(
  parameters: SearchParameters,
  resource: Resource,
  parameter: Parameter,
  composite: number,
): FoundValue[][][] {
  const { base, components } = parameter.composites[composite];
  const scope = scopeOf(resource);
  const bases = base
    ? pathOf(parameters, base.key).values(resource, scope)
    : [{ value: resource as unknown, type: resource.resourceType }];
  return bases.map((one) =>
    components.map(({ expression }) => pathOf(parameters, expression, one.type).values(one.value, scope)),
  );
}
