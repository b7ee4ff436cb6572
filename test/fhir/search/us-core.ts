/** US Core 6.1.0 as its package has it: the server's CapabilityStatement, its search parameters, its examples; and searches made from them. */
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import type { Resource } from '../../../src/base/resource.js';
import type { SearchParameter } from '../../../src/fhir/definitions/types.js';
import { readTarGz } from '../../../src/fhir/packages/tar.js';
import type { SearchContext } from '../../../src/fhir/search/context.js';
import { valuesOfParameter, type FoundValue } from '../../../src/fhir/search/found-values.js';
import { intervalOf } from '../../../src/fhir/search/interval.js';
import { fieldsOf } from '../../../src/fhir/search/string.js';
import { tokensOf } from '../../../src/fhir/search/token.js';

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

export interface UsCore {
  readonly rest: readonly RestResource[];
  readonly examples: readonly Resource[];
  readonly parameters: readonly SearchParameter[];
}

const repository = path.resolve(path.dirname(fileURLToPath(import.meta.url)), '../../../..');
/** The package file. */
export const usCoreFile = path.resolve(repository, '../shared/packages/hl7.fhir.us.core-6.1.0.tgz');
const combinationUrl = 'http://hl7.org/fhir/StructureDefinition/capabilitystatement-search-parameter-combination';

export function readUsCore(): UsCore {
  const examples: Resource[] = [];
  const parameters: SearchParameter[] = [];
  let rest: readonly RestResource[] = [];
  for (const { name, content } of readTarGz(readFileSync(usCoreFile), 1e8)) {
    if (!name.endsWith('.json') || /package\.json|\.index|openapi|ImplementationGuide/.test(name)) continue;
    const resource = JSON.parse(content.toString('utf8')) as Resource;
    if (name.includes('/example/') && resource.resourceType !== 'Bundle') examples.push(resource);
    if (resource.resourceType === 'SearchParameter') parameters.push(resource as unknown as SearchParameter);
    if (name.endsWith('CapabilityStatement-us-core-server.json')) {
      rest = (resource as unknown as { rest: { resource: RestResource[] }[] }).rest[0].resource;
    }
  }
  return { rest, examples, parameters };
}

/** Parameters asked for, one by one and (SHALL and SHOULD) together. */
export function combinationsOf({ rest }: UsCore): { readonly type: string; readonly codes: readonly string[] }[] {
  return rest.flatMap(({ type, searchParam = [], extension = [] }) => [
    ...searchParam.map(({ name }) => ({ type, codes: [name] })),
    ...extension
      .filter(({ url }) => url === combinationUrl)
      .map((combination) => {
        const required = combination.extension?.filter(({ url }) => url === 'required') ?? [];
        assert.ok(required.length > 0, `${type}: a combination without parameters`);
        return { type, codes: required.map(({ valueString }) => valueString ?? '') };
      }),
  ]);
}

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

/** A search for `resource` by its own values of these parameters; undefined when it lacks one. */
export function paramsFor(
  context: SearchContext,
  resource: Resource,
  codes: readonly string[],
): (readonly [string, string])[] | undefined {
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
