/**
 * `$launch-context`: an EHR prepares the launch of an app with a patient (and an encounter) in context, and gets the value of `launch`.
 *
 * Spec: https://hl7.org/fhir/smart-app-launch/STU2.2/app-launch.html#launch-app-ehr-launch; Parameters: docs/smart.md, "EHR launch".
 */
import { fhirError } from '../../base/outcome.js';
import type { Resource } from '../../base/resource.js';
import type { Principal } from '../../consent/gate.js';
import type { PreparedLaunch } from '../../smart/launch-contexts.js';
import { requireScope } from '../access.js';
import { bodyResource } from '../interactions/interaction.js';
import { release } from '../interactions/release.js';
import type { Context, FhirRequest } from '../request.js';
import type { FhirServices } from '../services.js';
import { unknown } from '../write/targets.js';
import type { Operation } from './operation.js';

/** The authorization server's side. */
export interface LaunchDesk {
  /** @returns the value of `launch`. */
  prepare(launch: PreparedLaunch): Promise<string>;
  /** Where an app is launched; undefined for an app that is not registered. */
  appOf(clientId: string): Promise<{ readonly launchUri?: string } | undefined>;
}

export function launchContextOperation(desk: LaunchDesk): Operation {
  return {
    name: 'launch-context',
    definition: 'urn:mooring:OperationDefinition:launch-context',
    levels: ['system'],
    isSafe: false,
    async run(services, request, context) {
      const launch = launchIn(request, context.principal);
      await requireVisible(services, context, launch);
      const app = launch.clientId === undefined ? {} : await desk.appOf(launch.clientId);
      if (app === undefined)
        throw fhirError(422, 'value', `client: "${launch.clientId}" is no registered app.`, 'client');
      const token = await desk.prepare(launch);
      const url = app.launchUri === undefined ? undefined : launchUrl(app.launchUri, context.baseUrl, token);
      const parameter = [
        { name: 'launch', valueString: token },
        { name: 'iss', valueUrl: context.baseUrl },
        ...(url === undefined ? [] : [{ name: 'url', valueUrl: url }]),
      ];
      return { status: 200, resource: { resourceType: 'Parameters', parameter } as unknown as Resource };
    },
  };
}

/** Who launches must see what he launches with; what is hidden is not there. */
async function requireVisible(services: FhirServices, context: Context, launch: PreparedLaunch): Promise<void> {
  const named = [
    ...(launch.patient === undefined ? [] : [['Patient', launch.patient] as const]),
    ...(launch.encounter === undefined ? [] : [['Encounter', launch.encounter] as const]),
  ];
  for (const [type, id] of named) {
    requireScope(context.principal, type, 'r');
    const row = await services.catalog.current(services.names.resource(type, id), services.catalog.head().seq);
    const isThere = row !== undefined && !row.isDeleted && (await release(services, context, 'launch-context', row));
    if (!isThere) throw unknown(type, id);
  }
}

interface Given {
  readonly name?: string;
  readonly part?: readonly Given[];
  readonly [value: string]: unknown;
}

const texts = ['client', 'patient', 'encounter', 'user', 'intent', 'needPatientBanner', 'fhirContext'];

/** @throws FhirError 400 `invalid` for a parameter that is not known or not of its form. */
function launchIn(request: FhirRequest, principal: Principal): PreparedLaunch {
  const { parameter = [] } = bodyResource(request, 'Parameters') as { parameter?: unknown };
  const given = (Array.isArray(parameter) ? parameter : []) as readonly Given[];
  const stranger = given.find(({ name }) => !texts.includes(name ?? ''));
  if (stranger !== undefined)
    throw fhirError(400, 'invalid', `"${stranger.name}" is no parameter here; expected ${texts.join(', ')}.`);
  const value = (name: string) => textOf(given.find((one) => one.name === name));
  const user =
    value('user') ??
    (/^Practitioner(Role)?\/|^Patient\/|^RelatedPerson\//.test(principal.actor) ? principal.actor : undefined);
  const fhirContext = given.filter(({ name }) => name === 'fhirContext').map(contextItem);
  const banner = given.find(({ name }) => name === 'needPatientBanner')?.valueBoolean;
  return {
    ...optional('clientId', value('client')),
    ...optional('patient', idIn('Patient', value('patient'))),
    ...optional('encounter', idIn('Encounter', value('encounter'))),
    ...optional('user', user),
    ...optional('intent', value('intent')),
    ...(typeof banner === 'boolean' ? { needPatientBanner: banner } : {}),
    ...(fhirContext.length === 0 ? {} : { fhirContext }),
  };
}

function contextItem(given: Given) {
  const reference = textOf(given) ?? textOf(given.part?.find(({ name }) => name === 'reference'));
  const role = textOf(given.part?.find(({ name }) => name === 'role'));
  if (reference === undefined || !/^[A-Z][A-Za-z]+\/[A-Za-z0-9\-.]{1,64}$/.test(reference))
    throw fhirError(400, 'invalid', 'fhirContext is expected to have a reference such as ImagingStudy/1.');
  return { reference, ...optional('role', role) };
}

function textOf(given: Given | undefined): string | undefined {
  if (given === undefined) return undefined;
  const reference = (given.valueReference as { reference?: unknown } | undefined)?.reference;
  const found = [given.valueString, given.valueId, given.valueUri, given.valueCode, reference].find(
    (value) => typeof value === 'string',
  );
  return found as string | undefined;
}

function idIn(type: string, text: string | undefined): string | undefined {
  if (text === undefined) return undefined;
  const id = text.startsWith(`${type}/`) ? text.slice(type.length + 1) : text;
  if (/^[A-Za-z0-9\-.]{1,64}$/.test(id)) return id;
  throw fhirError(400, 'invalid', `${type.toLowerCase()}: "${text.slice(0, 80)}" is neither an id nor ${type}/id.`);
}

function optional<N extends string>(name: N, value: string | undefined): { [key in N]?: string } {
  return (value === undefined ? {} : { [name]: value }) as { [key in N]?: string };
}

function launchUrl(launchUri: string, iss: string, launch: string): string {
  const url = new URL(launchUri);
  url.searchParams.set('iss', iss);
  url.searchParams.set('launch', launch);
  return url.href;
}
