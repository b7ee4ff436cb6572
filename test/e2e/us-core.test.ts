/** US Core 6.1.0 over HTTP: every search parameter, combination, include and revinclude of its CapabilityStatement, on its own examples. */
import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import type { Resource } from '../../src/base/resource.js';
import { matches } from '../../src/fhir/search/matches.js';
import type { SearchContext } from '../../src/fhir/search/context.js';
import { parseSearch } from '../../src/fhir/search/query.js';
import { surroundingsOf, testContext } from '../fhir/search/memory-index.js';
import { combinationsOf, paramsFor, readUsCore, usCoreFile } from '../fhir/search/us-core.js';
import { TestServer, type Answer } from './server.js';

interface Entry {
  readonly resource: Resource;
  readonly search: { readonly mode: string };
}

const nameOf = ({ resourceType, id }: Resource) => `${resourceType}/${id}`;
const namesOf = ({ status, body, text }: Answer, mode: string): string[] => {
  assert.equal(status, 200, text.slice(0, 300));
  return ((body.entry ?? []) as Entry[]).filter(({ search }) => search.mode === mode).map(({ resource }) => nameOf(resource)).sort(); // prettier-ignore
};

describe('US Core 6.1.0', () => {
  const usCore = readUsCore();
  let server: TestServer;
  let context: SearchContext;
  let stored: Resource[];
  before(async () => {
    server = await TestServer.start({ PACKAGES: usCoreFile, REFERENTIAL_INTEGRITY: 'off' });
    const base = testContext({ baseUrl: server.baseUrl });
    context = { ...base, parameters: base.parameters.with(usCore.parameters) };
    const entry = usCore.examples.map((resource) => ({ resource, request: { method: 'PUT', url: nameOf(resource) } }));
    const { status, body, text } = await server.post('', { resourceType: 'Bundle', type: 'batch', entry });
    assert.equal(status, 200, text);
    const isKept = (index: number) => body.entry[index].response.status.startsWith('20');
    const refused = usCore.examples.filter((_, index) => !isKept(index)).map(nameOf);
    assert.ok(refused.length <= usCore.examples.length / 20, `refused: ${refused.join(', ')}`);
    stored = usCore.examples.filter((_, index) => isKept(index));
  });
  after(() => server.stop());

  it('every search parameter and every SHALL and SHOULD combination finds what the plain evaluator finds', async () => {
    const around = surroundingsOf(context, stored);
    let finding = 0;
    let empty = 0;
    for (const { type, codes } of combinationsOf(usCore)) {
      const own = stored.filter((one) => one.resourceType === type);
      const resource = own.find((one) => paramsFor(context, one, codes) !== undefined);
      const params =
        (resource && paramsFor(context, resource, codes)) ?? codes.map((code) => [code === '_id' ? '_id' : `${code}:missing`, 'true'] as const); // prettier-ignore
      const { conditions } = parseSearch(context, type, params, 'strict');
      const expected = own.filter((one) => conditions.some((condition) => matches(context, one, condition, around)));
      const query = params.map(([name, value]) => `${name}=${encodeURIComponent(value)}`).join('&');
      assert.deepEqual(namesOf(await server.get(`${type}?${query}&_count=500`), 'match'), expected.map(nameOf).sort(), `${type}?${query}`); // prettier-ignore
      if (resource === undefined) empty += 1;
      else {
        finding += 1;
        assert.ok(expected.includes(resource));
      }
    }
    assert.ok(finding > 120, `${finding} searches find the example that they are made from, ${empty} have none`);
  });

  it('every include and revinclude brings along what the references say', async () => {
    const around = surroundingsOf(context, stored);
    let included = 0;
    for (const { type, searchInclude = [], searchRevInclude = [] } of usCore.rest) {
      const own = stored.filter((one) => one.resourceType === type);
      for (const [direction, value] of [
        ...searchInclude.map((one) => ['_include', one] as const),
        ...searchRevInclude.map((one) => ['_revinclude', one] as const),
      ]) {
        const [source, code, target] = value.split(':');
        const parameter = context.parameters.get(source, code);
        assert.ok(parameter !== undefined, value);
        const isBrought = (one: Resource) =>
          one.resourceType !== type && (target === undefined || one.resourceType === target);
        const others = own.flatMap((one) =>
          direction === '_include' ? around.targets(one, parameter) : around.sources(one, source, parameter),
        );
        const expected = [...new Set(others.filter(isBrought).map(nameOf))].sort();
        const answer = await server.get(`${type}?_count=500&${direction}=${value}`);
        assert.deepEqual(namesOf(answer, 'include'), expected, `${type}?${direction}=${value}`);
        included += expected.length;
      }
    }
    assert.ok(included > 0);
  });

  it('the CapabilityStatement names every type, parameter, include and revinclude that US Core asks for', async () => {
    const { body } = await server.get('metadata');
    const offered = new Map<
      string,
      { searchParam: { name: string }[]; searchInclude: string[]; searchRevInclude: string[] }
    >(body.rest[0].resource.map((one: { type: string }) => [one.type, one]));
    for (const { type, searchParam = [], searchInclude = [], searchRevInclude = [] } of usCore.rest) {
      const own = offered.get(type);
      assert.ok(own !== undefined, type);
      const names = new Set([...own.searchParam, ...body.rest[0].searchParam].map(({ name }) => name));
      for (const { name } of searchParam) assert.ok(names.has(name), `${type}?${name}`);
      for (const one of searchInclude)
        assert.ok(own.searchInclude.includes(one.split(':').slice(0, 2).join(':')), `${type}?_include=${one}`);
      for (const one of searchRevInclude) assert.ok(own.searchRevInclude.includes(one), `${type}?_revinclude=${one}`);
    }
  });
});
