/** `$document`: a Composition with everything that it refers to, as a document. Spec: https://hl7.org/fhir/R4/composition-operation-document.html */
import { randomUUID } from 'node:crypto';
import { fhirError } from '../../base/outcome.js';
import type { Resource } from '../../base/resource.js';
import type { VersionRow } from '../../commit/catalog.js';
import { requireScope } from '../access.js';
import { findReferences } from '../bundle/references.js';
import type { Interaction } from '../interactions/interaction.js';
import { recordRelease } from '../interactions/release.js';
import { writeOne } from '../interactions/write-one.js';
import { Input } from '../terminology/operations/parameters.js';
import type { Operation } from './operation.js';
import { contentOfRow, marked, referencedRow, subjectOf } from './stored.js';

/** Resources of a document at most. */
const mostResources = 5_000;

const document: Interaction = async (services, request, context, parameters) => {
  const input = Input.of(request.query, request.body);
  const persist = input.boolean('persist') ?? false;
  if (input.text('graph') !== undefined) {
    throw fhirError(400, 'not-supported', 'The parameter graph is not offered here; call $graph.');
  }
  if (persist && request.method !== 'POST') {
    throw fhirError(405, 'not-supported', 'A document is stored by POST, not by GET.');
  }
  if (persist) requireScope(context.principal, 'Bundle', 'c');
  const id = parameters.id ?? idIn(input.text('id'));
  const row = await subjectOf(services, context, { type: 'Composition', id }, 'document');
  const composition = await contentOfRow(services, context, row);
  const asOf = services.catalog.head().seq;
  const rows = new Map<string, VersionRow>();
  for (const { reference } of findReferences({ ...composition, meta: undefined }, 'Composition')) {
    const found = await referencedRow(services, context, reference, asOf);
    if (found === undefined || rows.size >= mostResources) continue;
    const header = services.opened.header(found);
    if (header.resourceType !== 'Composition' || header.id !== id)
      rows.set(`${header.resourceType}/${header.id}`, found);
  }
  await recordRelease(services, context, 'document', 'permit', [...rows.values()]);
  const entry = [{ fullUrl: `${context.baseUrl}/Composition/${id}`, resource: composition }];
  for (const [name, found] of rows) {
    entry.push({ fullUrl: `${context.baseUrl}/${name}`, resource: await contentOfRow(services, context, found) });
  }
  const bundle: Resource = {
    resourceType: 'Bundle',
    ...marked(services, [row, ...rows.values()]),
    identifier: { system: 'urn:ietf:rfc:3986', value: `urn:uuid:${randomUUID()}` },
    type: 'document',
    timestamp: new Date(services.clock.now()).toISOString(),
    entry,
  };
  if (!persist) return { status: 200, resource: bundle };
  const stored = { interaction: 'create', id: randomUUID(), resource: bundle } as const;
  const answer = await writeOne(
    services,
    { ...request, ifMatch: undefined, ifNoneMatch: undefined },
    context,
    'Bundle',
    stored,
  );
  return { ...answer, status: 200 };
};

/** The id in the parameter `id`: an id, or a reference to a Composition. */
function idIn(text: string | undefined): string {
  if (text === undefined) throw fhirError(400, 'required', 'The parameter id is missing: which Composition?');
  return text.replace(/^.*\bComposition\//, '').replace(/\/_history\/.*$/, '');
}

export const documentOperation: Operation = {
  name: 'document',
  definition: 'http://hl7.org/fhir/OperationDefinition/Composition-document',
  levels: ['type', 'instance'],
  types: ['Composition'],
  isSafe: true,
  run: document,
};
