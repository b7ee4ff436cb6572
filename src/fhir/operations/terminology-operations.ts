/** `$expand`, `$validate-code`, `$lookup`, `$subsumes`, as the router takes them. Spec: https://hl7.org/fhir/R4/terminology-service.html */
import { FhirError } from '../../base/outcome.js';
import type { Resource } from '../../base/resource.js';
import type { Interaction, PathParameters } from '../interactions/interaction.js';
import { read } from '../interactions/read.js';
import { resourceOf } from '../json-text.js';
import type { Context, FhirRequest } from '../request.js';
import type { FhirServices } from '../services.js';
import { expandOperation } from '../terminology/operations/expand.js';
import { lookupOperation, subsumesOperation } from '../terminology/operations/lookup.js';
import { Input } from '../terminology/operations/parameters.js';
import type { TerminologyServices } from '../terminology/operations/subject.js';
import { validateCodeInSystem, validateCodeInValueSet } from '../terminology/operations/validate-code.js';
import type { Operation } from './operation.js';

/** @param current definitions and terminology in force at the time of a call. */
export function terminologyOperations(current: () => TerminologyServices): Operation[] {
  const definition = (name: string) => `http://hl7.org/fhir/OperationDefinition/${name}`;
  const offered = { levels: ['type', 'instance'], isSafe: true } as const;
  return [
    {
      ...offered,
      name: 'expand',
      definition: definition('ValueSet-expand'),
      types: ['ValueSet'],
      run: withInstance(
        (services, input, instance) => expandOperation({ ...current(), clock: services.clock }, input, instance),
        current,
      ),
    },
    {
      ...offered,
      name: 'validate-code',
      definition: definition('ValueSet-validate-code'),
      types: ['ValueSet', 'CodeSystem'],
      run: withInstance((_services, input, instance, type) => {
        const validate = type === 'ValueSet' ? validateCodeInValueSet : validateCodeInSystem;
        return validate(current(), input, instance);
      }, current),
    },
    {
      ...offered,
      name: 'lookup',
      definition: definition('CodeSystem-lookup'),
      levels: ['type'],
      types: ['CodeSystem'],
      run: withInstance((_services, input) => lookupOperation(current(), input), current),
    },
    {
      ...offered,
      name: 'subsumes',
      definition: definition('CodeSystem-subsumes'),
      types: ['CodeSystem'],
      run: withInstance((_services, input, instance) => subsumesOperation(current(), input, instance), current),
    },
  ];
}

type Run = (services: FhirServices, input: Input, instance: Resource | undefined, type: string) => Resource;

function withInstance(run: Run, current: () => TerminologyServices): Interaction {
  return async (services, request, context, parameters) => {
    const input = Input.of(request.query, request.body);
    const instance =
      parameters.id === undefined ? undefined : await instanceOf(services, request, context, parameters, current);
    return { status: 200, resource: run(services, input, instance, parameters.type ?? '') };
  };
}

/** The stored resource; else the definition in force that has this id, as R4's own have. */
async function instanceOf(
  services: FhirServices,
  request: FhirRequest,
  context: Context,
  parameters: PathParameters,
  current: () => TerminologyServices,
): Promise<Resource | undefined> {
  try {
    const { resource } = await read(
      services,
      { ...request, query: [], ifNoneMatch: undefined, ifModifiedSince: undefined },
      context,
      parameters,
    );
    return resource && resourceOf(resource);
  } catch (error) {
    const { type = '', id = '' } = parameters;
    const known =
      error instanceof FhirError && error.status === 404
        ? current().definitions.resource(type, `http://hl7.org/fhir/${type}/${id}`)
        : undefined;
    if (!known) throw error;
    return known as unknown as Resource;
  }
}
