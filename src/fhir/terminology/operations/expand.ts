/** `$expand`. Spec: https://hl7.org/fhir/R4/valueset-operation-expand.html */
import type { Resource } from '../../../base/resource.js';
import type { Clock } from '../../../base/clock.js';
import type { Input } from './parameters.js';
import { valueSetSubject, type TerminologyServices } from './subject.js';

/**
 * The value set with its expansion.
 * @throws FhirError 400 for odd parameters; 404 `not-found` for an unknown value set; 422 `not-supported` or `too-costly` when it cannot be listed.
 */
export function expandOperation(
  services: TerminologyServices & { readonly clock: Clock },
  input: Input,
  instance?: Resource,
): Resource {
  const { canonical, terminology } = valueSetSubject(services, input, instance);
  const options = {
    filter: input.text('filter'),
    offset: input.count('offset'),
    count: input.count('count'),
    activeOnly: input.boolean('activeOnly'),
    excludeNotForUI: input.boolean('excludeNotForUI'),
    includeDesignations: input.boolean('includeDesignations'),
    displayLanguage: input.text('displayLanguage'),
  };
  const { valueSet, total, contains, usedSystems } = terminology.expand(canonical, options);
  const { url, version, name, title, status, compose } = valueSet;
  return {
    resourceType: 'ValueSet',
    ...kept({ id: instance?.id, url: url === 'urn:mooring:given' ? undefined : url, version, name, title }),
    status: status ?? 'active',
    ...(input.boolean('includeDefinition') === true && compose ? { compose } : {}),
    expansion: {
      timestamp: new Date(services.clock.now()).toISOString(),
      total,
      ...(options.offset === undefined ? {} : { offset: options.offset }),
      ...listed('parameter', [
        ...usedSystems.map((system) => ({ name: 'version', valueUri: system })),
        ...Object.entries(options).flatMap(([option, value]) => expansionParameter(option, value)),
      ]),
      ...listed('contains', contains),
    },
  };
}

function expansionParameter(name: string, value: string | number | boolean | undefined): object[] {
  if (value === undefined) return [];
  if (typeof value === 'boolean') return [{ name, valueBoolean: value }];
  return [typeof value === 'number' ? { name, valueInteger: value } : { name, valueString: value }];
}

function kept(fields: Record<string, unknown>): Record<string, unknown> {
  return Object.fromEntries(Object.entries(fields).filter(([, value]) => value !== undefined));
}

/** FHIR knows no empty lists. */
function listed(name: string, list: readonly object[]): Record<string, unknown> {
  return list.length > 0 ? { [name]: list } : {};
}
