/** `$validate`. Spec: https://hl7.org/fhir/R4/resource-operation-validate.html */
import { fhirError, type Issue } from '../../base/outcome.js';
import type { Resource } from '../../base/resource.js';
import { read } from '../interactions/read.js';
import { resourceOf } from '../json-text.js';
import { allOk, outcomeOf } from '../outcome.js';
import { Slices } from '../../base/pause.js';
import type { Context, FhirRequest } from '../request.js';
import type { FhirServices } from '../services.js';
import { Input } from '../terminology/operations/parameters.js';
import { positionOf } from '../validation/positions.js';
import type { Operation } from './operation.js';
import type { PathParameters } from '../interactions/interaction.js';

const modes = ['create', 'update', 'delete', 'profile'] as const;
type Mode = (typeof modes)[number];

/** At type and instance level. The answer is 200 with an OperationOutcome whatever it says: being invalid is no failure of the operation. */
export const validateOperation: Operation = {
  name: 'validate',
  definition: 'http://hl7.org/fhir/OperationDefinition/Resource-validate',
  levels: ['type', 'instance'],
  isSafe: true,
  async run(services, request, context, parameters) {
    const input = Input.of(request.query, request.body, 'resource');
    const mode = modeOf(input.text('mode'));
    const profiles = input.texts('profile');
    const given = input.resource('resource');
    const resource = given ?? (await storedInstance(services, request, context, parameters));
    if (resource === undefined) {
      if (mode === 'delete')
        throw fhirError(400, 'required', 'Which resource to delete is needed: call [type]/[id]/$validate.');
      throw fhirError(400, 'required', 'A resource is needed: as the body, or as the parameter resource.');
    }
    const found = [
      ...placeIssues(resource, parameters, mode),
      ...(await validated(services, resource, { profiles, mode: mode === 'profile' ? undefined : mode })),
    ];
    const issues = given ? found.map((issue) => located(issue, request)) : found;
    const name = `${resource.resourceType}${resource.id === undefined ? '' : `/${resource.id}`}`;
    const outcome =
      issues.length > 0 ? outcomeOf(issues) : allOk(`${name} is valid${mode === 'delete' ? ' to be deleted' : ''}.`);
    return { status: 200, resource: outcome };
  },
};

const longestSource = 2_000_000;

/** The issue with its place in the body, where that is known. */
function located(issue: Issue, { bodyBytes, body }: FhirRequest): Issue {
  const { expression, line } = issue;
  if (expression === undefined || line !== undefined || bodyBytes === undefined) return issue;
  if (bodyBytes.byteLength > longestSource) return issue;
  const { resourceType, parameter } = body as { resourceType?: unknown; parameter?: { name?: unknown }[] };
  const index = resourceType === 'Parameters' ? (parameter ?? []).findIndex(({ name }) => name === 'resource') : -1;
  const within = expression.slice(expression.search(/\.|$/));
  const path = index < 0 ? expression : `Parameters.parameter[${index}].resource${within}`;
  return { ...issue, ...positionOf(Buffer.from(bodyBytes).toString('utf8'), path) };
}

/** Long Bundles let other requests go on between their entries. */
async function validated(
  { validator, config }: FhirServices,
  resource: Resource,
  options: { profiles: readonly string[]; mode: 'create' | 'update' | 'delete' | undefined },
): Promise<Issue[]> {
  const settings = { ...options, unknownProfile: config.unknownProfile };
  if (validator.settle) return validator.settle(resource, settings);
  const slices = new Slices();
  const steps = validator.validateInSteps(resource, settings);
  for (let step = steps.next(); ; step = steps.next()) {
    if (step.done) return step.value;
    await slices.turn();
  }
}

function modeOf(text: string | undefined): Mode | undefined {
  if (text === undefined || (modes as readonly string[]).includes(text)) return text as Mode | undefined;
  throw fhirError(400, 'invalid', `The mode is '${text.slice(0, 40)}'; expected create, update, delete or profile.`);
}

async function storedInstance(
  services: FhirServices,
  request: FhirRequest,
  context: Context,
  parameters: PathParameters,
): Promise<Resource | undefined> {
  if (parameters.id === undefined) return undefined;
  const plain = { ...request, query: [], ifNoneMatch: undefined, ifModifiedSince: undefined };
  const { resource } = await read(services, plain, context, parameters);
  return resource && resourceOf(resource);
}

/** What the place in the URL demands of the resource. */
function placeIssues(resource: Resource, { type, id }: PathParameters, mode: Mode | undefined): Issue[] {
  const issues: Issue[] = [];
  const error = (code: Issue['code'], expression: string, rule: string, diagnostics: string) =>
    issues.push({ severity: 'error', code, expression, rule, diagnostics });
  if (type !== undefined && resource.resourceType !== type) {
    error(
      'invalid',
      'resourceType',
      'type-mismatch',
      `The resource is of type ${resource.resourceType}; expected ${type} as in the URL.`,
    );
  }
  if (mode === 'update' && resource.id === undefined) {
    error('required', `${resource.resourceType}.id`, 'id-required', 'The resource has no id; an update needs one.');
  } else if (id !== undefined && resource.id !== undefined && resource.id !== id) {
    error(
      'value',
      `${resource.resourceType}.id`,
      'id-mismatch',
      `The id is '${resource.id}'; expected '${id}' as in the URL.`,
    );
  }
  return issues;
}
