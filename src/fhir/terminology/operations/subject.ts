/** What a terminology operation is about: a value set or code system named by the URL, by a parameter, or given in full. */
import { fhirError } from '../../../base/outcome.js';
import type { Resource } from '../../../base/resource.js';
import type { Definitions } from '../../definitions/definitions.js';
import type { CanonicalResource, CodeSystem } from '../../definitions/types.js';
import { createTerminology, type Terminology } from '../terminology.js';
import type { Input } from './parameters.js';

export interface TerminologyServices {
  readonly definitions: Definitions;
  readonly terminology: Terminology;
  readonly supplements?: readonly CodeSystem[];
}

/** A canonical URL, and the terminology that knows it. */
export interface Subject {
  readonly canonical: string;
  readonly terminology: Terminology;
}

/**
 * The value set of an operation: the instance, `valueSet`, `url` (with `valueSetVersion`) or `context`.
 * @param instance the stored ValueSet of an instance-level call.
 * @throws FhirError 400 `required` when none is given.
 */
export function valueSetSubject(services: TerminologyServices, input: Input, instance?: Resource): Subject {
  const given = instance ?? input.resource('valueSet');
  if (given) return givenSubject(services, given, 'ValueSet');
  const url = input.text('url') ?? boundValueSet(services, input.text('context'));
  if (url === undefined) throw fhirError(400, 'required', "A value set is needed: 'url', 'valueSet' or 'context'.");
  return { canonical: withVersion(url, input.text('valueSetVersion')), terminology: services.terminology };
}

/** Like `valueSetSubject`, for a code system given in full: undefined when there is none. */
export function codeSystemSubject(
  services: TerminologyServices,
  input: Input,
  instance?: Resource,
): Subject | undefined {
  const given = instance ?? input.resource('codeSystem');
  return given && givenSubject(services, given, 'CodeSystem');
}

function givenSubject(services: TerminologyServices, given: Resource, type: string): Subject {
  if (given.resourceType !== type) {
    throw fhirError(400, 'invalid', `A ${given.resourceType} was given; expected a ${type}.`);
  }
  const url = typeof given.url === 'string' ? given.url : 'urn:mooring:given';
  const resource = { ...given, url } as unknown as CanonicalResource;
  const definitions = services.definitions.with([resource]);
  const canonical = withVersion(url, typeof given.version === 'string' ? given.version : undefined);
  return { canonical, terminology: createTerminology(definitions, services.supplements) };
}

function withVersion(url: string, version: string | undefined): string {
  return version === undefined || url.includes('|') ? url : `${url}|${version}`;
}

/** `context` is the canonical URL of a StructureDefinition, `#`, and the path of an element. */
function boundValueSet({ definitions }: TerminologyServices, context: string | undefined): string | undefined {
  if (context === undefined) return undefined;
  const [url, path] = context.split('#');
  const definition = definitions.structureDefinition(url);
  const element = definition?.snapshot?.element.find(
    (each) => each.path === path || (each as { id?: string }).id === path,
  );
  if (!element?.binding?.valueSet) {
    throw fhirError(404, 'not-found', `No binding is known for the context ${context}.`);
  }
  return element.binding.valueSet;
}
