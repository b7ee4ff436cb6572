/**
 * Fields that search: `Patient(id: x)`, `PatientList(...)`, `PatientConnection(...)`, and inside a resource the lists of what refers to it.
 *
 * Spec: https://hl7.org/fhir/R4/graphql.html#searching, #reverse
 */
import type { SelectionSetNode } from 'graphql';
import { fhirError } from '../../base/outcome.js';
import { mayRead, requireScope } from '../access.js';
import { findPage, type Page, type PagePosition } from '../interactions/search-page.js';
import { settledQuery } from '../interactions/settled-query.js';
import { compileFhirPath, FhirPathError } from '../fhirpath/fhirpath.js';
import type { Query } from '../request.js';
import { parseSearch } from '../search/query.js';
import { unknown } from '../write/targets.js';
import { invalid, type ArgumentValue, type Field } from './document.js';
import { introspect } from './introspection.js';
import { Output } from './output.js';
import { tooCostly, type Run, type Subject } from './run.js';
import { selectResource } from './select.js';

/** The type that a searching field is about. */
function partsOf(run: Run, name: string): { readonly type: string; readonly kind: 'List' | 'Connection' } | undefined {
  const [, type, kind] = /^([A-Z][A-Za-z]+?)(List|Connection)$/.exec(name) ?? [];
  return type !== undefined && run.services.definitions.resourceTypes.has(type)
    ? { type, kind: kind as 'List' | 'Connection' }
    : undefined;
}

export function isSearchField(run: Run, name: string): boolean {
  return partsOf(run, name) !== undefined;
}

/** The fields of a query of the whole system. */
export async function selectRoot(run: Run, selections: readonly SelectionSetNode[], output: Output): Promise<void> {
  for (const field of run.document.fields(selections, (condition) => condition === 'Query')) {
    if (field.name === '__typename') output.add(field.key, 'single', { value: 'Query' });
    else if (field.name === '__schema' || field.name === '__type') await introspect(run, field, output);
    else if (isSearchField(run, field.name)) await searchField(run, field, output, 1);
    else if (run.services.definitions.resourceTypes.has(field.name)) await oneResource(run, field, output);
    else
      throw invalid(
        `there is no "${field.name}"; expected a resource type, such as Patient, PatientList, PatientConnection`,
      );
  }
}

async function oneResource(run: Run, field: Field, output: Output): Promise<void> {
  const { services, context, asOf } = run;
  const id = field.args.get('id');
  if (field.args.size !== 1 || (typeof id !== 'string' && typeof id !== 'number')) {
    throw invalid(`"${field.name}" takes one argument, id`);
  }
  requireScope(context.principal, field.name, 'r');
  const row = await services.catalog.current(services.names.resource(field.name, String(id)), asOf);
  if (row === undefined || row.isDeleted || !(await mayRead(services, context.principal, 'r', row))) {
    throw unknown(field.name, String(id).slice(0, 64));
  }
  const inner = new Output();
  await selectResource(run, await run.open(row), field.selections, inner, 1);
  output.add(field.key, 'single', inner);
}

/** @param inside the resource that what is searched for must refer to (argument `_reference`). */
export async function searchField(
  run: Run,
  field: Field,
  output: Output,
  depth: number,
  inside?: Subject,
): Promise<void> {
  const parts = partsOf(run, field.name);
  if (parts === undefined) throw invalid(`there is no "${field.name}"`);
  if (field.selections.length === 0) throw invalid(`"${field.name}" needs fields to be selected`);
  requireScope(run.context.principal, parts.type, 's');
  run.countSearch();
  if (parts.kind === 'List') await listField(run, field, parts.type, output, depth, inside);
  else await connectionField(run, field, parts.type, output, depth, inside);
}

async function listField(run: Run, field: Field, type: string, output: Output, depth: number, inside?: Subject) {
  const { maxCount } = run.services.config;
  const params = paramsOf(run, type, field, inside);
  const wanted = countIn(params);
  const page = await pageOf(run, type, params, wanted ?? maxCount, undefined, false);
  if (wanted === undefined && page.next !== undefined) {
    throw tooCostly(`more than ${maxCount} resources in ${field.name}; ask by ${type}Connection`);
  }
  output.list(field.key);
  for (const subject of await subjectsOf(run, field, page)) {
    const inner = new Output();
    await selectResource(run, subject, field.selections, inner, depth + 1);
    output.add(field.key, 'list', inner);
  }
}

/** What the cursor of a connection holds. */
interface Position extends PagePosition {
  readonly params: Query;
  readonly count: number;
  readonly rank: number;
}

async function connectionField(run: Run, field: Field, type: string, output: Output, depth: number, inside?: Subject) {
  const { services } = run;
  const path = `$graphql/${type}`;
  const cursor = field.args.get('_cursor') ?? field.args.get('cursor');
  if (cursor != null && (inside !== undefined || typeof cursor !== 'string' || field.args.size > 1)) {
    throw invalid('a cursor stands alone, at the root of a query');
  }
  const resumed = typeof cursor === 'string' ? services.cursors.open<Position>(cursor, path) : undefined;
  const params = resumed?.params ?? paramsOf(run, type, field, inside);
  const { defaultCount, maxCount } = services.config;
  const count = resumed?.count ?? Math.min(countIn(params) ?? defaultCount, maxCount);
  const asks = run.document.fields(field.selections, (condition) => condition === field.name);
  const page = await pageOf(
    run,
    type,
    params,
    count,
    resumed,
    asks.some(({ name }) => name === 'count' || name === 'last'),
  );
  const rank = Math.max(resumed?.rank ?? 0, 0);
  const lastRank = page.last?.offset ?? (page.total ?? 0) - count;
  const seal = (position: PagePosition | undefined, at: number) =>
    position === undefined
      ? undefined
      : services.cursors.seal({ ...position, params, count, rank: at } satisfies Position, path);
  const values: Record<string, unknown> = {
    __typename: field.name,
    count: page.total,
    offset: rank,
    pagesize: count,
    pageSize: count,
    first: seal(page.first, 0),
    previous: seal(page.previous, rank - count),
    next: seal(page.next, rank + page.rows.length),
    last: seal(page.last, lastRank),
  };
  const inner = new Output();
  for (const ask of asks) {
    await run.count(depth);
    if (ask.name === 'edges') await edges(run, ask, field, page, inner, depth + 1);
    else if (!Object.hasOwn(values, ask.name)) {
      throw invalid(`${field.name} has no field "${ask.name}"`);
    } else if (values[ask.name] !== undefined) inner.add(ask.key, 'single', { value: values[ask.name] });
  }
  output.add(field.key, 'single', inner);
}

async function edges(run: Run, ask: Field, field: Field, page: Page, output: Output, depth: number): Promise<void> {
  output.list(ask.key);
  for (const subject of await subjectsOf(run, field, page)) {
    const edge = new Output();
    for (const part of run.document.fields(ask.selections, () => true)) {
      await run.count(depth);
      if (part.name === 'mode') edge.add(part.key, 'single', { value: 'match' });
      else if (part.name === '__typename')
        edge.add(part.key, 'single', { value: field.name.replace(/Connection$/, 'Edge') });
      else if (part.name === 'resource') {
        const inner = new Output();
        await selectResource(run, subject, part.selections, inner, depth + 1);
        edge.add(part.key, 'single', inner);
      } else if (part.name !== 'score') throw invalid(`edges have no field "${part.name}"`);
    }
    output.add(ask.key, 'list', edge);
  }
}

async function pageOf(
  run: Run,
  type: string,
  params: Query,
  count: number,
  resumed: PagePosition | undefined,
  isCounted: boolean,
): Promise<Page> {
  const { services, context } = run;
  const asOf = resumed?.asOf ?? run.asOf;
  const parsed = parseSearch(services.search, type, params, 'strict');
  const query = await settledQuery(services, context.principal, parsed, asOf);
  return findPage(
    services,
    context,
    isCounted ? { ...query, total: 'accurate' } : query,
    Math.max(count, 1),
    asOf,
    resumed,
  );
}

async function subjectsOf(run: Run, field: Field, page: Page): Promise<Subject[]> {
  const path = field.args.get('fhirpath');
  const subjects = await Promise.all(page.rows.map((row) => run.open(row)));
  if (path == null) return subjects;
  try {
    const compiled = compileFhirPath(String(path), run.services.search.parameters.model);
    return subjects.filter(({ resource }) => compiled.test(resource, { resource }));
  } catch (error) {
    if (!(error instanceof FhirPathError)) throw error;
    throw invalid(`the FHIRPath "${String(path).slice(0, 200)}" cannot be used: ${error.message}`);
  }
}

const refusedArguments = new Set([
  '_include',
  '_revinclude',
  '_contained',
  '_containedType',
  '_summary',
  '_elements',
  '_total',
]);

/** Arguments as search parameters: `birth_date` stands for `birth-date`, a list for OR. */
function paramsOf(run: Run, type: string, { name: fieldName, args }: Field, inside: Subject | undefined): Query {
  const params: [string, string][] = [];
  const { parameters } = run.services.search;
  for (const [name, value] of args) {
    if (name === 'fhirpath' || name === '_reference') continue;
    if (refusedArguments.has(name)) throw invalid(`"${name}" is not offered in GraphQL`);
    if (inside !== undefined && (name === 'id' || name === '_id'))
      throw invalid(`"${name}" makes no sense in "${fieldName}"`);
    const code = parameters.get(type, name) === undefined ? name.replace(/(?!^)_/g, '-') : name;
    params.push([code === 'id' ? '_id' : code, textOf(name, value)]);
  }
  const reference = args.get('_reference');
  if (inside === undefined) {
    if (reference !== undefined) throw invalid('"_reference" stands inside a resource only');
    return params;
  }
  if (typeof reference !== 'string')
    throw invalid(`"${fieldName}" inside a resource needs _reference: the parameter that refers to it`);
  const code = parameters.get(type, reference) === undefined ? reference.replace(/(?!^)_/g, '-') : reference;
  if (parameters.get(type, code)?.type !== 'reference')
    throw invalid(`"${reference}" is no reference parameter of ${type}`);
  if (inside.name === undefined)
    throw fhirError(422, 'business-rule', 'GraphQL: nothing refers to a contained resource.');
  return [...params, [code, inside.name]];
}

function textOf(name: string, value: ArgumentValue): string {
  if (value === null) throw invalid(`"${name}" has no value`);
  if (Array.isArray(value)) return value.map((item: ArgumentValue) => textOf(name, item)).join(',');
  return String(value as string | number | boolean).replace(/,/g, '\\,');
}

function countIn(params: Query): number | undefined {
  const value = params.find(([name]) => name === '_count')?.[1];
  return value === undefined || !/^\d{1,6}$/.test(value) ? undefined : Math.max(Number(value), 1);
}
