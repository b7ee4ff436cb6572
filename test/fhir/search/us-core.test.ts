/**
 * US Core 6.1.0: every search parameter, combination, include and revinclude that its CapabilityStatement asks for, on its own examples.
 *
 * Values are those of an example that has all parameters of the combination: the search must find it, and exactly what the plain evaluator finds.
 */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { resourceName } from '../../../src/fhir/search/blind.js';
import type { SearchContext } from '../../../src/fhir/search/context.js';
import { matches } from '../../../src/fhir/search/matches.js';
import { parseSearch, revincludePlan } from '../../../src/fhir/search/query.js';
import { MemoryIndex, surroundingsOf, testContext } from './memory-index.js';
import { combinationsOf, paramsFor, readUsCore } from './us-core.js';

const usCore = readUsCore();
const { examples, rest } = usCore;
const base = testContext();
const context: SearchContext = { ...base, parameters: base.parameters.with(usCore.parameters) };
const index = new MemoryIndex(context, examples);
const around = surroundingsOf(context, examples);

async function findsItself(type: string, codes: readonly string[]): Promise<boolean> {
  const resource = examples.find((one) => one.resourceType === type && paramsFor(context, one, codes) !== undefined);
  const params = resource && paramsFor(context, resource, codes);
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

test('every search parameter and every SHALL and SHOULD combination of US Core finds the example that its values come from', async () => {
  let found = 0;
  let without = 0;
  for (const { type, codes } of combinationsOf(usCore)) {
    if (await findsItself(type, codes)) found += 1;
    else without += 1;
  }
  assert.ok(found > 120, `${found} searches found something, ${without} have no example`);
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
