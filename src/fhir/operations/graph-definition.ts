/** A GraphDefinition as `$graph` walks it. Spec: https://hl7.org/fhir/R4/graphdefinition.html */
import { FhirError, fhirError } from '../../base/outcome.js';
import type { Resource } from '../../base/resource.js';
import { mayRead } from '../access.js';
import type { Context } from '../request.js';
import { parseSearch } from '../search/query.js';
import { localTarget } from '../search/reference.js';
import type { FhirServices } from '../services.js';
import { contentOfRow, referencedRow } from './stored.js';

export interface GraphLink {
  /** FHIRPath from the resource to references. */
  readonly path?: string;
  readonly min?: number;
  /** A number, or `*`. */
  readonly max?: string;
  readonly target?: readonly GraphTarget[];
}

export interface GraphTarget {
  readonly type: string;
  /** Search parameters that find the targets; `{ref}` stands for the resource. */
  readonly params?: string;
  readonly compartment?: readonly GraphCompartment[];
  readonly link?: readonly GraphLink[];
}

export interface GraphCompartment {
  readonly code: string;
  readonly rule: 'identical' | 'matching' | 'different' | 'custom';
}

export interface Graph {
  readonly start: string;
  readonly link: readonly GraphLink[];
}

/**
 * @param name canonical URL (`|version` allowed) or reference of the GraphDefinition.
 * @throws FhirError 404 when it is unknown or hidden; 422 when it asks for what is not offered.
 */
export async function graphAt(services: FhirServices, context: Context, name: string, asOf: number): Promise<Graph> {
  const definition =
    localTarget(name, context.baseUrl)?.type === 'GraphDefinition'
      ? await byReference(services, context, name, asOf)
      : await byUrl(services, context, name, asOf);
  if (definition === undefined) {
    throw fhirError(404, 'not-found', `The GraphDefinition "${name.slice(0, 200)}" is not known.`);
  }
  const { start, link = [] } = definition as unknown as { start: string; link?: GraphLink[] };
  checkLinks(services, link, 'GraphDefinition');
  return { start, link };
}

async function byReference(services: FhirServices, context: Context, name: string, asOf: number) {
  const row = await referencedRow(services, context, name, asOf);
  return row && contentOfRow(services, context, row);
}

/** Of several versions the one that was written last. */
async function byUrl(
  services: FhirServices,
  context: Context,
  name: string,
  asOf: number,
): Promise<Resource | undefined> {
  const [url, version] = name.split('|');
  const criteria = [['url', url] as const, ...(version === undefined ? [] : [['version', version] as const])];
  const { plan } = parseSearch(services.search, 'GraphDefinition', criteria, 'strict');
  for (const row of await services.catalog.search({ plan, asOf, order: 'newest', limit: 20 })) {
    if (await mayRead(services, context.principal, 's', row)) return contentOfRow(services, context, row);
  }
  return undefined;
}

function checkLinks({ search, definitions }: FhirServices, links: readonly GraphLink[], place: string): void {
  for (const [index, link] of links.entries()) {
    const at = `${place}.link[${index}]`;
    for (const target of link.target ?? []) {
      if (!definitions.resourceTypes.has(target.type)) throw refused(`"${target.type}" is no resource type`, at);
      const custom = (target.compartment ?? []).find(({ rule }) => rule === 'custom');
      if (custom !== undefined) throw refused('custom compartment rules are not offered', at);
      if (link.path === undefined) {
        if (!(target.params ?? '').includes('{ref}')) {
          throw refused('a link needs a path, or params with {ref}', at);
        }
        try {
          parseSearch(search, target.type, paramsOf(target, 'Patient/example'), 'strict');
        } catch (error) {
          if (!(error instanceof FhirError)) throw error;
          throw refused(error.issues.map(({ diagnostics }) => diagnostics).join('; '), at);
        }
      }
      checkLinks({ search, definitions } as FhirServices, target.link ?? [], `${at}.target`);
    }
  }
}

/** The search of a target, seen from the resource with this reference. */
export function paramsOf({ params = '' }: GraphTarget, reference: string): [string, string][] {
  const text = params.replace(/^[A-Za-z]*\?/, '');
  return [...new URLSearchParams(text)].map(([name, value]) => [name, value.replaceAll('{ref}', reference)]);
}

function refused(reason: string, place: string) {
  return fhirError(422, 'business-rule', `The graph cannot be followed: ${reason}.`, place);
}
