/** `resource` of a Reference: what it leads to. Spec: https://hl7.org/fhir/R4/graphql.html#references */
import { fhirError } from '../../base/outcome.js';
import type { Resource } from '../../base/resource.js';
import { referencedRow } from '../operations/stored.js';
import { invalid, type Arguments } from './document.js';
import type { Run, Subject } from './run.js';

/**
 * The resource; undefined when it is of another type than `type` says, or cannot be found and is `optional`.
 * @throws FhirError 404 when it cannot be found (or seen) and is not optional.
 */
export async function resolveReference(
  run: Run,
  reference: unknown,
  args: Arguments,
  from: Subject,
): Promise<Subject | undefined> {
  const odd = [...args.keys()].find((name) => name !== 'optional' && name !== 'type');
  if (odd !== undefined) throw invalid(`"resource" has no argument "${odd}"`);
  const type = args.get('type');
  const target = typeof reference === 'string' ? await targetOf(run, reference, from) : undefined;
  if (target !== undefined) return type == null || target.resource.resourceType === type ? target : undefined;
  if (args.get('optional') === true || isOfOtherType(reference, type)) return undefined;
  const text = typeof reference === 'string' ? `"${reference.slice(0, 200)}"` : 'a Reference without reference';
  throw fhirError(404, 'not-found', `GraphQL: ${text} leads to nothing; ask for resource(optional: true).`);
}

async function targetOf(run: Run, reference: string, { resource }: Subject): Promise<Subject | undefined> {
  if (reference.startsWith('#')) {
    const contained = (Array.isArray(resource.contained) ? resource.contained : []) as Resource[];
    const found = contained.find(({ id }) => id === reference.slice(1));
    return found && { resource: { ...found, contained } };
  }
  const row = await referencedRow(run.services, run.context, reference, run.asOf);
  return row && run.open(row);
}

function isOfOtherType(reference: unknown, type: unknown): boolean {
  if (typeof reference !== 'string' || typeof type !== 'string') return false;
  const named = /(?:^|\/)([A-Z][A-Za-z]+)\/[A-Za-z0-9\-.]{1,64}$/.exec(reference)?.[1];
  return named !== undefined && named !== type;
}
