/**
 * transaction: all entries or none, in the order DELETE, POST, PUT and PATCH, GET, whatever their order in the Bundle.
 *
 * Spec: https://hl7.org/fhir/R4/http.html#trules
 */
import { randomUUID } from 'node:crypto';
import { fhirError } from '../../base/outcome.js';
import { requireScope } from '../access.js';
import {
  bodyResource,
  conditionOf,
  ifMatchOf,
  ifNoneExistOf,
  instanceOf,
  versionIdOf,
} from '../interactions/interaction.js';
import { patchOf } from '../interactions/patch.js';
import { renderError } from '../outcome.js';
import { inSlices, Slices } from '../../base/pause.js';
import type { Context, FhirRequest, FhirResponse } from '../request.js';
import type { FhirServices } from '../services.js';
import { answerOf } from '../write/answer.js';
import type { WriteOperation, Written } from '../write/operation.js';
import { Problems } from '../write/problems.js';
import { write } from '../write/write.js';
import { rehearse } from './rehearsal.js';
import { requestEntry, type RequestEntry } from './request-entry.js';
import { responseEntry, type ResponseEntry } from './response-entry.js';

/** The router, for entries that are no writes. */
export type Handle = (request: FhirRequest, context: Context) => Promise<FhirResponse>;

/** @returns a transaction-response with one entry for each of `entries`, in their order. @throws FhirError with all that is wrong. */
export async function transaction(
  services: FhirServices,
  handle: Handle,
  request: FhirRequest,
  context: Context,
  entries: readonly unknown[],
): Promise<FhirResponse> {
  const slices = new Slices();
  const problems = new Problems();
  const parsed: RequestEntry[] = [];
  const operations = new Map<WriteOperation, RequestEntry>();
  for (let index = 0; index < entries.length; index += 1) {
    await problems.collect(`Bundle.entry[${index}]`, () => {
      const entry = requestEntry(entries[index], index, context.baseUrl, request.prefer);
      parsed.push(entry);
      const operation = writeOperation(services, context, entry);
      if (operation !== undefined) operations.set(operation, entry);
    });
    await slices.turn();
  }
  await inSlices(refuseSameFullUrls(entries, problems), slices);
  problems.throwIfAny();
  await rehearse(handle, context, parsed, operations.keys(), problems, slices);
  problems.throwIfAny();

  const answers: (ResponseEntry | undefined)[] = new Array<undefined>(entries.length).fill(undefined);
  const written = await write(services, context, inOrder(operations.keys()));
  for (const result of written) {
    const entry = operations.get(result.operation);
    if (entry === undefined || answers[entry.index] !== undefined) continue;
    answers[entry.index] = await writeAnswer(services, entry, context, result);
    await slices.turn();
  }
  for (const entry of parsed) {
    answers[entry.index] ??= responseEntry(await answerOther(services, handle, entry, context), context.baseUrl, true);
    await slices.turn();
  }
  return {
    status: 200,
    resource: {
      resourceType: 'Bundle',
      type: 'transaction-response',
      ...(answers.length > 0 ? { entry: answers } : {}),
    },
  };
}

/** Spec: the invariant bdl-7. @throws through `problems`: which of two entries a link meant could not be told. */
function* refuseSameFullUrls(entries: readonly unknown[], problems: Problems): Generator<void, void> {
  const places = new Map<string, string>();
  for (const [index, entry] of entries.entries()) {
    yield;
    const { fullUrl, resource } = entry as { fullUrl?: unknown; resource?: { meta?: { versionId?: unknown } } };
    if (typeof fullUrl !== 'string') continue;
    const key = JSON.stringify([fullUrl, resource?.meta?.versionId]);
    const first = places.get(key);
    const expression = `Bundle.entry[${index}].fullUrl`;
    if (first === undefined) places.set(key, expression);
    else {
      const diagnostics = `The fullUrl "${fullUrl.slice(0, 200)}" stands twice: here and at ${first}.`;
      problems.add(400, [{ severity: 'error', code: 'invariant', diagnostics, expression }]);
    }
  }
}

/** A read, search or operation. What fails after the writes are committed (others were faster) is told in its own entry. */
async function answerOther(
  services: FhirServices,
  handle: Handle,
  { request }: RequestEntry,
  context: Context,
): Promise<FhirResponse> {
  try {
    return await handle(request, context);
  } catch (error) {
    const { status, outcome, isDefect } = renderError(error, context.requestId);
    if (isDefect) services.reportDefect(context.requestId, error);
    return { status, resource: outcome };
  }
}

async function writeAnswer(
  services: FhirServices,
  { request }: RequestEntry,
  context: Context,
  result: Written,
): Promise<ResponseEntry> {
  const preference = request.prefer.return ?? 'minimal';
  const answer = await answerOf(services, { prefer: { return: preference } }, context, result);
  return responseEntry(answer, context.baseUrl, preference === 'representation');
}

const order: Record<WriteOperation['interaction'], number> = { delete: 0, create: 1, update: 2, patch: 2 };

function inOrder(operations: Iterable<WriteOperation>): WriteOperation[] {
  const groups: WriteOperation[][] = [[], [], []];
  for (const operation of operations) groups[order[operation.interaction]]!.push(operation);
  return groups.flat();
}

/** The write that an entry asks for; undefined for reads and operations. */
function writeOperation(services: FhirServices, context: Context, entry: RequestEntry): WriteOperation | undefined {
  const { request, place, fullUrl } = entry;
  const { method, path } = request;
  if (method === 'GET' || method === 'HEAD' || (path.at(-1) ?? '').startsWith('$') || path.at(-1) === '_search') {
    return undefined;
  }
  const [type, id] = path;
  if (path.length === 0 || path.length > 2 || !services.definitions.resourceTypes.has(type)) {
    const diagnostics = `"${method} ${path.join('/').slice(0, 100)}" is no interaction of a transaction.`;
    throw fhirError(400, 'value', diagnostics, `${place}.request.url`);
  }
  const common = {
    resourceType: type,
    fullUrl,
    place: `${place}.resource`,
    requestPlace: `${place}.request`,
    ifMatch: ifMatchOf(request.ifMatch),
  };
  switch (method) {
    case 'POST': {
      requireScope(context.principal, type, 'c');
      if (id !== undefined) throw fhirError(400, 'value', 'A POST has no id in its url.', `${place}.request.url`);
      const resource = entryResource(entry, type);
      const condition = ifNoneExistOf(request.ifNoneExist, type);
      return { ...common, interaction: 'create', id: randomUUID(), resource, condition };
    }
    case 'PUT': {
      requireScope(context.principal, type, 'u');
      const resource = entryResource(entry, type);
      const ifNoneMatch = versionIdOf(request.ifNoneMatch);
      return { ...common, interaction: 'update', resource, ifNoneMatch, ...whichOf(entry, type, id) };
    }
    case 'PATCH':
      requireScope(context.principal, type, 'u');
      return { ...common, interaction: 'patch', patch: patchOf(services, request, type), ...whichOf(entry, type, id) };
    case 'DELETE':
      requireScope(context.principal, type, 'd');
      return { ...common, interaction: 'delete', ...whichOf(entry, type, id) };
  }
}

function entryResource({ request, place }: RequestEntry, type: string) {
  try {
    return bodyResource(request, type);
  } catch (error) {
    throw placedBelow(error, `${place}.resource`);
  }
}

function placedBelow(error: unknown, place: string): unknown {
  const { status, issues } = error as { status?: number; issues?: readonly { code: never; diagnostics: string }[] };
  return status === undefined || issues === undefined
    ? error
    : fhirError(status, issues[0].code, issues[0].diagnostics, place);
}

function whichOf({ request, place }: RequestEntry, type: string, id: string | undefined) {
  if (id !== undefined) return { id: instanceOf({ type, id }).id };
  const condition = conditionOf(request.query);
  if (condition !== undefined) return { condition };
  throw fhirError(400, 'value', 'The url has neither an id nor search criteria.', `${place}.request.url`);
}
