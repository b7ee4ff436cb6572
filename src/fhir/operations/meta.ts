/** `$meta`, `$meta-add`, `$meta-delete`. Spec: https://hl7.org/fhir/R4/resource-operations.html */
import { fhirError } from '../../base/outcome.js';
import type { Coding, Resource } from '../../base/resource.js';
import { requireScope } from '../access.js';
import { instanceOf, type Interaction } from '../interactions/interaction.js';
import { release } from '../interactions/release.js';
import { structuredCopy } from '../patch/json-patch.js';
import { contentOf } from '../visible-content.js';
import { unknown } from '../write/targets.js';
import { write } from '../write/write.js';
import type { Operation } from './operation.js';

type Meta = NonNullable<Resource['meta']>;

const definition = (name: string) => `http://hl7.org/fhir/OperationDefinition/Resource-${name}`;

export const metaOperations: readonly Operation[] = [
  { name: 'meta', definition: definition('meta'), levels: ['instance', 'version'], isSafe: true, run: readMeta() },
  { name: 'meta-add', definition: definition('meta-add'), levels: ['instance'], isSafe: false, run: changeMeta(add) },
  {
    name: 'meta-delete',
    definition: definition('meta-delete'),
    levels: ['instance'],
    isSafe: false,
    run: changeMeta(take),
  },
];

function readMeta(): Interaction {
  return async (services, _request, context, parameters) => {
    const { type, id } = instanceOf(parameters);
    requireScope(context.principal, type, 'r');
    const name = services.names.resource(type, id);
    const row =
      parameters.versionId === undefined
        ? await services.catalog.current(name, services.catalog.head().seq)
        : await services.catalog.version(name, Number(parameters.versionId) || 0);
    if (row === undefined || row.isDeleted || !(await release(services, context, 'meta', row))) throw unknown(type, id);
    return answer((await contentOf(services, context.principal, row)).value());
  };
}

function changeMeta(change: (present: Meta, given: Meta) => Meta): Interaction {
  return async (services, request, context, parameters) => {
    const { type, id } = instanceOf(parameters);
    requireScope(context.principal, type, 'u');
    const given = metaIn(request.body);
    if (given === undefined) {
      throw fhirError(400, 'required', 'The parameter "meta" (valueMeta) is missing.', 'Parameters.parameter');
    }
    const [{ row }] = await write(services, context, [
      {
        interaction: 'patch',
        resourceType: type,
        id,
        place: type,
        dropsLabels: true,
        patch: (present) => {
          const copy = structuredCopy(present);
          copy.meta = change(copy.meta ?? {}, given);
          return copy;
        },
      },
    ]);
    if (row === undefined) throw unknown(type, id);
    return answer((await services.opened.text(row)).value());
  };
}

/** `valueMeta` of the parameter `meta` in a Parameters body. */
function metaIn(body: unknown): Meta | undefined {
  const { parameter } = (body ?? {}) as { parameter?: unknown };
  const found = (Array.isArray(parameter) ? (parameter as { name?: unknown; valueMeta?: unknown }[]) : []).find(
    ({ name }) => name === 'meta',
  );
  return typeof found?.valueMeta === 'object' && found.valueMeta !== null ? (found.valueMeta as Meta) : undefined;
}

function answer({ meta = {} }: Resource) {
  const { profile, security, tag, versionId, lastUpdated } = meta;
  const valueMeta = { versionId, lastUpdated, profile, security, tag };
  return { status: 200, resource: { resourceType: 'Parameters', parameter: [{ name: 'return', valueMeta }] } };
}

function add(present: Meta, given: Meta): Meta {
  return withoutEmpty({
    ...present,
    profile: [...new Set([...(present.profile ?? []), ...(given.profile ?? [])])],
    security: [...(present.security ?? []), ...missingIn(present.security, given.security)],
    tag: [...(present.tag ?? []), ...missingIn(present.tag, given.tag)],
  });
}

function take(present: Meta, given: Meta): Meta {
  return withoutEmpty({
    ...present,
    profile: (present.profile ?? []).filter((profile) => !(given.profile ?? []).includes(profile)),
    security: missingIn(given.security, present.security),
    tag: missingIn(given.tag, present.tag),
  });
}

/** Codings of `others` that are not among `codings`. */
function missingIn(codings: readonly Coding[] = [], others: readonly Coding[] = []): Coding[] {
  return others.filter((other) => !codings.some(({ system, code }) => system === other.system && code === other.code));
}

function withoutEmpty(meta: Meta): Meta {
  return Object.fromEntries(
    Object.entries(meta).filter(([, value]) => !Array.isArray(value) || value.length > 0),
  ) as Meta;
}
