/** How GraphQL comes over HTTP: in the query of a GET, as `application/graphql`, or in a JSON body. */
import { parseJson } from '../../base/json.js';
import type { Resource } from '../../base/resource.js';
import type { FhirRequest } from '../request.js';
import { invalid, type GraphQlText } from './document.js';

/** @throws FhirError 400 when there is no query. */
export function graphQlTextOf({ query, body }: Pick<FhirRequest, 'query' | 'body'>): GraphQlText {
  const inUrl = (name: string) => query.find(([key]) => key === name)?.[1];
  const url = { query: inUrl('query'), operationName: inUrl('operationName'), variables: inUrl('variables') };
  const given = typeof body === 'string' ? { query: body } : { ...url, ...withoutParameters(body) };
  if (typeof given.query !== 'string' || given.query.trim() === '') throw invalid('there is no query');
  const { operationName, variables } = given as { operationName?: unknown; variables?: unknown };
  return {
    query: given.query,
    ...(typeof operationName === 'string' && operationName !== '' ? { operationName } : {}),
    variables: variablesIn(variables),
  };
}

/** Some clients call operations with Parameters, whatever the operation. */
function withoutParameters(body: unknown): object {
  if (typeof body !== 'object' || body === null) return {};
  const { resourceType, parameter } = body as Resource;
  if (resourceType !== 'Parameters' || !Array.isArray(parameter)) return body;
  const parts = parameter as { name: string; valueString?: string }[];
  return Object.fromEntries(parts.map(({ name, valueString }) => [name, valueString]));
}

function variablesIn(given: unknown): Readonly<Record<string, unknown>> {
  if (given === undefined || given === null || given === '') return {};
  const value: unknown = typeof given === 'string' ? parsed(given) : given;
  if (typeof value === 'object' && value !== null && !Array.isArray(value)) return value as Record<string, unknown>;
  throw invalid('variables are expected to be a JSON object');
}

function parsed(text: string): unknown {
  try {
    return parseJson(text);
  } catch {
    throw invalid('variables are expected to be a JSON object');
  }
}
