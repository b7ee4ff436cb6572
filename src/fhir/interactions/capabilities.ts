/** capabilities: what this server offers, made from the table of routes. Spec: https://hl7.org/fhir/R4/capabilitystatement.html */
import { routes, type InteractionCode } from '../routes.js';
import type { Resource } from '../../base/resource.js';
import { securityExtensions, type OAuthEndpoints } from '../../smart/discovery.js';
import { Slices } from '../../base/pause.js';
import { JsonText, toJsonBytes } from '../json-text.js';
import type { SearchParameters } from '../search/parameters.js';
import type { FhirServices } from '../services.js';
import { shapeOf, shaped } from '../summary/shape.js';
import type { Interaction } from './interaction.js';

/** Statements by what they are made from: new search parameters make a new one. */
const remembered = new WeakMap<SearchParameters, Map<string, Promise<Resource>>>();
/** Base URLs come from the Host header where none is configured; only so many are remembered. */
const mostBases = 16;

export const capabilities: Interaction = async (services, request, context) => {
  const { parameters } = services.search;
  const byBase = remembered.get(parameters) ?? new Map<string, Promise<Resource>>();
  remembered.set(parameters, byBase);
  const known = byBase.get(context.baseUrl) ?? statement(services, context.baseUrl);
  if (byBase.size < mostBases) byBase.set(context.baseUrl, known);
  const resource = withSecurity(await known, await services.oauth?.());
  return shaped(services, shapeOf(request.query), { status: 200, resource });
};

/** Texts of statements (near 1 MB each, and anybody may ask), with the endpoints that they name. */
const texts = new WeakMap<Resource, { readonly endpoints: string; readonly text: JsonText }>();

/** Where tokens are asked for may be known later than the rest. */
function withSecurity(statement: Resource, endpoints: OAuthEndpoints | undefined): JsonText {
  const extension = endpoints === undefined ? [] : securityExtensions(endpoints);
  const named = JSON.stringify(extension);
  const known = texts.get(statement);
  if (known?.endpoints === named) return known.text;
  const [rest] = statement.rest as readonly { readonly security: object }[];
  const security = withoutEmpty({ extension, ...rest.security });
  const text = new JsonText(toJsonBytes({ ...statement, rest: [{ ...rest, security }] }));
  texts.set(statement, { endpoints: named, text });
  return text;
}

const typeLevel: readonly InteractionCode[] = [
  'read',
  'vread',
  'update',
  'patch',
  'delete',
  'history-instance',
  'history-type',
  'create',
  'search-type',
];

async function statement(services: FhirServices, baseUrl: string): Promise<Resource> {
  const { config, definitions, operations, clock, isAppOrigin } = services;
  const offered = new Set(routes.map(({ code }) => code));
  const slices = new Slices();
  const types = [...definitions.resourceTypes].sort();
  const referring = new Map<string, string[]>(types.map((type) => [type, []]));
  for (const source of types) {
    for (const { code, type, targets } of services.search.parameters.parametersOf(source).values()) {
      if (type === 'reference') for (const target of targets) referring.get(target)?.push(`${source}:${code}`);
    }
    await slices.turn();
  }
  const resource: object[] = [];
  for (const type of types) {
    resource.push(resourceOf(services, type, offered, referring.get(type) ?? []));
    await slices.turn();
  }
  return {
    resourceType: 'CapabilityStatement',
    url: `${baseUrl}/metadata`,
    name: 'Mooring',
    title: 'Mooring FHIR server',
    status: 'active',
    date: new Date(clock.now()).toISOString(),
    kind: 'instance',
    software: { name: 'Mooring' },
    implementation: { description: 'FHIR records that only their patients release', url: baseUrl },
    fhirVersion: '4.0.1',
    format: ['json', 'application/fhir+json', 'xml', 'application/fhir+xml'],
    patchFormat: [
      'application/json-patch+json',
      'application/merge-patch+json',
      'application/xml-patch+xml',
      'application/fhir+json',
      'application/fhir+xml',
    ],
    rest: [
      {
        mode: 'server',
        security: {
          cors: config.allowedOrigins.length > 0 || isAppOrigin !== undefined,
          service: [
            {
              coding: [
                { system: 'http://terminology.hl7.org/CodeSystem/restful-security-service', code: 'SMART-on-FHIR' },
              ],
            },
          ],
          description: 'Bearer tokens with SMART scopes; every release is decided by the FHIR Consent of the patient.',
        },
        resource,
        interaction: [
          { code: 'transaction' },
          { code: 'batch' },
          ...(offered.has('search-system') ? [{ code: 'search-system' }] : []),
          ...(offered.has('history-system') ? [{ code: 'history-system' }] : []),
        ],
        searchParam: searchParamsOf(services, 'Resource'),
        operation: operationsOf(operations.filter(({ levels }) => levels.includes('system'))),
        compartment: ['Patient', 'Encounter', 'RelatedPerson', 'Practitioner', 'Device'].map(
          (code) => `http://hl7.org/fhir/CompartmentDefinition/${code.toLowerCase()}`,
        ),
      },
    ].map(withoutEmpty),
  };
}

function resourceOf(
  services: FhirServices,
  type: string,
  offered: ReadonlySet<InteractionCode>,
  referring: readonly string[],
) {
  const { config, operations, search } = services;
  const parameters = [...search.parameters.parametersOf(type).values()];
  const references = parameters.filter((parameter) => parameter.type === 'reference');
  return withoutEmpty({
    type,
    profile: `http://hl7.org/fhir/StructureDefinition/${type}`,
    interaction: typeLevel.filter((code) => offered.has(code)).map((code) => ({ code })),
    versioning: 'versioned-update',
    readHistory: true,
    updateCreate: config.updateCreate !== 'off',
    conditionalCreate: true,
    conditionalRead: 'full-support',
    conditionalUpdate: true,
    conditionalDelete: config.conditionalDelete,
    referencePolicy: ['literal', 'logical', 'local', ...(config.integrityOnWrite ? ['enforced'] : [])],
    searchInclude: ['*', ...references.map(({ code }) => `${type}:${code}`)],
    searchRevInclude: referring,
    searchParam: searchParamsOf(services, type),
    operation: operationsOf(
      operations.filter(
        ({ levels, types }) =>
          levels.some((level) => level !== 'system') && (types === undefined || types.includes(type)),
      ),
    ),
  });
}

function searchParamsOf({ search }: FhirServices, type: string) {
  return [...search.parameters.parametersOf(type).values()].map(({ code, url, type: kind }) => ({
    name: code,
    definition: url,
    type: kind,
  }));
}

function operationsOf(operations: FhirServices['operations']) {
  return operations.map(({ name, definition }) => ({ name, definition }));
}

/** FHIR knows no empty arrays. */
function withoutEmpty<T extends object>(object: T): T {
  return Object.fromEntries(
    Object.entries(object).filter(([, value]) => !Array.isArray(value) || value.length > 0),
  ) as T;
}
