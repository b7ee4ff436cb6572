/**
 * US Core 6.1.0: every search parameter, combination, include and revinclude that its CapabilityStatement asks for, on its own examples.
 *
 * Values are those of an example that has all parameters of the combination: the search must find it, and exactly what the plain evaluator finds.
 */
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { test } from 'node:test';
import type { Resource } from '../../../src/base/resource.js';
import type { SearchParameter } from '../../../src/fhir/definitions/types.js';
import { readTarGz } from '../../../src/fhir/packages/tar.js';
import { resourceName } from '../../../src/fhir/search/blind.js';
import type { SearchContext } from '../../../src/fhir/search/context.js';
import { valuesOfParameter, type FoundValue } from '../../../src/fhir/search/found-values.js';
import { intervalOf } from '../../../src/fhir/search/interval.js';
import { matches } from '../../../src/fhir/search/matches.js';
import { parseSearch, revincludePlan } from '../../../src/fhir/search/query.js';
import { fieldsOf } from '../../../src/fhir/search/string.js';
import { tokensOf } from '../../../src/fhir/search/token.js';
import { MemoryIndex, surroundingsOf, testContext } from './memory-index.js';

interface Extension {
  readonly url: string;
  readonly valueString?: string;
  readonly valueCode?: string;
  readonly extension?: readonly Extension[];
}

interface RestResource {
  readonly type: string;
  readonly extension?: readonly Extension[];
  readonly searchParam?: readonly { readonly name: string }[];
  readonly searchInclude?: readonly string[];
  readonly searchRevInclude?: readonly string[];
}

const repository = path.resolve(path.dirname(fileURLToPath(import.meta.url)), '../../../..');
const archive = readFileSync(path.resolve(repository, '../shared/packages/hl7.fhir.us.core-6.1.0.tgz'));
const examples: Resource[] = [];
const parameters: SearchParameter[] = [];
let rest: readonly RestResource[] = [];
for (const { name, content } of readTarGz(archive, 1e8)) {
  if (!name.endsWith('.json') || /package\.json|\.index|openapi|ImplementationGuide/.test(name)) continue;
  const resource = JSON.parse(content.toString('utf8')) as Resource;
  if (name.includes('/example/') && resource.resourceType !== 'Bundle') examples.push(resource);
  if (resource.resourceType === 'SearchParameter') parameters.push(resource as unknown as SearchParameter);
  if (name.endsWith('CapabilityStatement-us-core-server.json')) {
    rest = (resource as unknown as { rest: { resource: RestResource[] }[] }).rest[0].resource;
  }
}

const base = testContext();
const context: SearchContext = { ...base, parameters: base.parameters.with(parameters) };
const index = new MemoryIndex(context, examples);
const around = surroundingsOf(context, examples);

/** A search value that `found` meets; undefined when it has none, as a CodeableConcept of text alone. */
function valueText(type: SearchParameter['type'], found: FoundValue): string | undefined {
  const escaped = (text: string) => text.replace(/[\\,|$]/g, '\\$&');
  switch (type) {
    case 'token': {
      const [token] = tokensOf(found.value, found.type);
      if (!token) return undefined;
      return token.system === undefined ? escaped(token.code) : `${escaped(token.system)}|${escaped(token.code)}`;
    }
    case 'string':
      return fieldsOf(found.value).map(escaped)[0];
    case 'reference':
      return (found.value as { reference?: string }).reference;
    case 'date': {
      const interval = intervalOf(found.value);
      const day = interval && new Date(Number.isFinite(interval.start) ? interval.start : interval.end - 1);
      return day && `ge${new Date(day.getTime() - 86_400_000).toISOString().slice(0, 10)}`;
    }
    case 'uri':
      return String(found.value);
    case 'number':
    case 'quantity':
    case 'composite':
    case 'special':
      return undefined;
  }
}

function paramsFor(resource: Resource, codes: readonly string[]): (readonly [string, string])[] | undefined {
  const params = codes.map((code) => {
    if (code === '_id') return [code, resource.id ?? ''] as const;
    const parameter = context.parameters.get(resource.resourceType, code);
    assert.ok(parameter, `${resource.resourceType}.${code} is no search parameter`);
    const texts = valuesOfParameter(context.parameters, resource, parameter).map((found) =>
      valueText(parameter.type, found),
    );
    const text = texts.find((one) => one !== undefined);
    return text === undefined ? undefined : ([code, text] as const);
  });
  return params.every((param) => param !== undefined) ? params : undefined;
}

async function findsItself(type: string, codes: readonly string[]): Promise<boolean> {
  const resource = examples.find((one) => one.resourceType === type && paramsFor(one, codes) !== undefined);
  const params = resource && paramsFor(resource, codes);
  if (!params) {
    parseSearch(
      context,
      type,
      codes.map((code) => [`${code}:missing`, 'true'] as const).filter(([code]) => !code.startsWith('_id')),
      'strict',
    );
    return false;
  }
  const query = parseSearch(context, type, params, 'strict');
  const found = await index.search(query);
  const expected = examples
    .filter((one) => query.conditions.some((condition) => matches(context, one, condition, around)))
    .map((one) => `${one.resourceType}/${one.id}`)
    .sort();
  const what = `${type}?${params.map((param) => param.join('=')).join('&')}`;
  assert.deepEqual(found, expected, what);
  assert.ok(found.includes(`${type}/${resource.id}`), `${what} does not find ${resource.id}`);
  return true;
}

const combinationUrl = 'http://hl7.org/fhir/StructureDefinition/capabilitystatement-search-parameter-combination';

test('every search parameter of US Core finds the example that its value comes from', async () => {
  let found = 0;
  let without = 0;
  for (const { type, searchParam } of rest) {
    for (const { name } of searchParam ?? []) {
      if (await findsItself(type, [name])) found += 1;
      else without += 1;
    }
  }
  assert.ok(found > 60, `${found} parameters found something, ${without} have no example`);
});

test('every SHALL and SHOULD combination of US Core finds the example that its values come from', async () => {
  let found = 0;
  let without = 0;
  for (const { type, extension } of rest) {
    for (const combination of extension?.filter(({ url }) => url === combinationUrl) ?? []) {
      const codes = combination.extension
        ?.filter(({ url }) => url === 'required')
        .map(({ valueString }) => valueString ?? '');
      assert.ok(codes && codes.length > 0, `${type}: a combination without parameters`);
      if (await findsItself(type, codes)) found += 1;
      else without += 1;
    }
  }
  assert.ok(found > 40, `${found} combinations found something, ${without} have no example`);
});

test('every include and revinclude of US Core finds what the references say', () => {
  let included = 0;
  for (const { type, searchInclude, searchRevInclude } of rest) {
    const params = [
      ...(searchInclude ?? []).map((value) => ['_include', value] as const),
      ...(searchRevInclude ?? []).map((value) => ['_revinclude', value] as const),
    ];
    const { revincludes, includes } = parseSearch(context, type, params, 'strict');
    assert.equal(includes.length + revincludes.length, params.length);
    for (const include of revincludes) {
      for (const target of examples.filter((one) => one.resourceType === type)) {
        const names = [resourceName(context.blinder, type, target.id ?? '')];
        const found = [...index.find(revincludePlan(context, include, names))].map(
          (number) => index.rows[number].resource,
        );
        const expected = examples.filter(
          (one) => one.resourceType === include.source && JSON.stringify(one.target).includes(`"${type}/${target.id}"`),
        );
        assert.deepEqual(found.map(({ id }) => id).sort(), expected.map(({ id }) => id).sort());
        included += found.length;
      }
    }
  }
  assert.ok(included > 0);
});
