/**
 * Mutations: `PatientCreate(res: {...})`, `PatientUpdate(id: "1", res: {...})`, `PatientDelete(id: "1")`. Several in one document are one transaction.
 *
 * Spec: https://hl7.org/fhir/R4/graphql.html#mutations, and the published schemas for the names of arguments and results.
 */
import { randomUUID } from 'node:crypto';
import { fhirError } from '../../base/outcome.js';
import type { Resource } from '../../base/resource.js';
import { mayRead, requireScope } from '../access.js';
import { bodyResource, instanceOf } from '../interactions/interaction.js';
import { resourceOf } from '../json-text.js';
import type { Context, FhirRequest } from '../request.js';
import type { FhirServices } from '../services.js';
import { answerOf } from '../write/answer.js';
import type { WriteOperation, Written } from '../write/operation.js';
import { write } from '../write/write.js';
import { invalid, type Field, type GraphQlDocument } from './document.js';
import { Output } from './output.js';
import { Run } from './run.js';
import { selectResource } from './select.js';

/** Writes that one document may ask for. */
const mostWrites = 100;

/**
 * Writes everything, or nothing, and puts what was asked of each write into `output`.
 * @returns the run that released what is told.
 * @throws FhirError 405 for a GET; whatever speaks against the writes.
 */
export async function mutate(
  services: FhirServices,
  request: Pick<FhirRequest, 'method'>,
  context: Context,
  document: GraphQlDocument,
  output: Output,
): Promise<Run> {
  if (request.method !== 'POST') throw fhirError(405, 'not-supported', 'GraphQL: a mutation is sent by POST.');
  const operations = new Map<WriteOperation, Field>();
  for (const field of document.fields([document.root], (condition) => condition === 'Mutation')) {
    if (field.name === '__typename') output.add(field.key, 'single', { value: 'Mutation' });
    else operations.set(operationOf(services, context, field), field);
    if (operations.size > mostWrites) throw invalid(`a document may ask for ${mostWrites} writes at most`);
  }
  await rehearse(services, context, document, operations);
  const written = await write(services, context, [...operations.keys()]);
  const run = new Run(services, context, document, services.catalog.head().seq);
  for (const result of written) {
    const field = operations.get(result.operation);
    if (field !== undefined) output.add(field.key, 'single', await resultOf(run, field, result));
  }
  return run;
}

/** What is asked of the results is tried on what will be written: a document that cannot be answered writes nothing. */
async function rehearse(
  services: FhirServices,
  context: Context,
  document: GraphQlDocument,
  operations: ReadonlyMap<WriteOperation, Field>,
): Promise<void> {
  const run = new Run(services, context, document, services.catalog.head().seq);
  for (const [{ resourceType, id = '', resource }, field] of operations) {
    for (const part of document.fields(field.selections, (condition) => condition === typeNameOf(field))) {
      const isAnswered = part.name === 'location' ? field.name.endsWith('Create') : results.has(part.name);
      if (!isAnswered) throw invalid(`${typeNameOf(field)} has no field "${part.name}"`);
      if (part.name !== 'resource' || resource === undefined) continue;
      const subject = { resource: { ...resource, id }, name: `${resourceType}/${id}` };
      await selectResource(run, subject, part.selections, new Output(), 1);
    }
  }
}

const results = new Set(['__typename', 'resource', 'information']);

/** Name of the type of a mutation's result. */
function typeNameOf({ name }: Field): string {
  return name.replace(/Create$/, 'Creation');
}

const suffixes = { Create: ['create', 'c'], Update: ['update', 'u'], Delete: ['delete', 'd'] } as const;

function operationOf(
  { definitions }: FhirServices,
  { principal }: Context,
  { name, key, args }: Field,
): WriteOperation {
  const [, type = '', suffix = ''] = /^([A-Z][A-Za-z]+?)(Create|Update|Delete)$/.exec(name) ?? [];
  if (!definitions.resourceTypes.has(type)) {
    throw invalid(
      `there is no "${name}"; expected a resource type with Create, Update or Delete, such as PatientCreate`,
    );
  }
  const [interaction, permission] = suffixes[suffix as keyof typeof suffixes];
  requireScope(principal, type, permission);
  const common = { interaction, resourceType: type, place: key };
  const taken = interaction === 'create' ? ['res'] : interaction === 'update' ? ['id', 'res'] : ['id'];
  const given = [...args.keys()].map((each) => (each === 'resource' ? 'res' : each));
  if (given.length !== taken.length || !taken.every((each) => given.includes(each))) {
    throw invalid(`"${name}" takes ${taken.join(' and ')}`);
  }
  const id = interaction === 'create' ? randomUUID() : instanceOf({ type, id: String(args.get('id') as string) }).id;
  if (interaction === 'delete') return { ...common, id };
  const content = args.get('res') ?? args.get('resource');
  if (typeof content !== 'object' || content === null || Array.isArray(content)) {
    throw invalid(`res of "${name}" is expected to be a ${type}`);
  }
  // As over REST: the server gives ids to what is created, and what is updated must not call itself otherwise.
  const resource = bodyResource({ body: { resourceType: type, ...content } }, type) as Resource;
  return { ...common, id, resource: interaction === 'create' ? { ...resource, id: undefined } : resource };
}

async function resultOf(run: Run, field: Field, result: Written): Promise<Output> {
  const { services, context, document } = run;
  const answer = await answerOf(services, { prefer: { return: 'OperationOutcome' } }, context, result);
  const output = new Output();
  for (const part of document.fields(field.selections, (condition) => condition === typeNameOf(field))) {
    if (part.name === '__typename') output.add(part.key, 'single', { value: typeNameOf(field) });
    else if (part.name === 'location') output.add(part.key, 'single', { value: answer.location ?? null });
    else if (part.name === 'information' && answer.resource !== undefined) {
      const inner = new Output();
      await selectResource(run, { resource: resourceOf(answer.resource) }, part.selections, inner, 1);
      output.add(part.key, 'single', inner);
    } else if (part.name === 'resource' && result.row !== undefined && result.result !== 'deleted') {
      if (!(await mayRead(services, context.principal, 'r', result.row))) continue;
      const inner = new Output();
      await selectResource(run, await run.open(result.row), part.selections, inner, 1);
      output.add(part.key, 'single', inner);
    }
  }
  return output;
}
