/** `$convert`: a resource from one format into another. Spec: https://hl7.org/fhir/R4/resource-operation-convert.html */
import { FhirError, fhirError } from '../../base/outcome.js';
import type { Resource } from '../../base/resource.js';
import { bodyResource } from '../interactions/interaction.js';
import type { FhirServices } from '../services.js';
import type { Operation } from './operation.js';

/** The body is read in the format of its Content-Type and given out in the one that Accept or `_format` asks for. */
export const convertOperation: Operation = {
  name: 'convert',
  definition: 'http://hl7.org/fhir/OperationDefinition/Resource-convert',
  levels: ['system'],
  isSafe: false,
  run: (services, request) => {
    const body: Resource = bodyResource(request, undefined);
    const resource = inputOf(body) ?? body;
    refuseUnreadable(services, resource);
    return Promise.resolve({ status: 200, resource });
  },
};

/** The parameter `input`; Parameters without one are themselves what is converted. */
function inputOf({ resourceType, parameter }: Resource): Resource | undefined {
  if (resourceType !== 'Parameters' || !Array.isArray(parameter)) return undefined;
  const found = (parameter as { name?: unknown; resource?: Resource }[]).find(({ name }) => name === 'input');
  return typeof found?.resource?.resourceType === 'string' ? found.resource : undefined;
}

/** What R4 does not know would be lost on the way. */
function refuseUnreadable({ validator, definitions }: FhirServices, resource: Resource): void {
  if (!definitions.resourceTypes.has(resource.resourceType) && resource.resourceType !== 'Parameters') {
    throw fhirError(
      400,
      'structure',
      `"${resource.resourceType.slice(0, 64)}" is no resource type of FHIR R4.`,
      'resourceType',
    );
  }
  const issues = validator.validate(resource, {}).filter(({ code }) => code === 'structure');
  const errors = issues.filter(({ severity }) => severity === 'error' || severity === 'fatal');
  if (errors.length > 0) throw new FhirError(400, errors);
}
