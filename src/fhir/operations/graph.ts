/** `$graph`: a resource with everything that a GraphDefinition leads to. Spec: https://hl7.org/fhir/R4/resource-operation-graph.html */
import { fhirError } from '../../base/outcome.js';
import type { Resource } from '../../base/resource.js';
import type { VersionRow } from '../../commit/catalog.js';
import { recordRelease } from '../interactions/release.js';
import type { Context } from '../request.js';
import type { FhirServices } from '../services.js';
import { Input } from '../terminology/operations/parameters.js';
import { instanceOf } from '../interactions/interaction.js';
import { graphAt } from './graph-definition.js';
import { GraphWalk } from './graph-walk.js';
import type { Operation } from './operation.js';
import { contentOfRow, marked, subjectOf } from './stored.js';

export const graphOperation: Operation = {
  name: 'graph',
  definition: 'http://hl7.org/fhir/OperationDefinition/Resource-graph',
  levels: ['instance'],
  isSafe: true,
  async run(services, request, context, parameters) {
    const name = Input.of(request.query, request.body).text('graph');
    if (name === undefined) throw fhirError(400, 'required', 'The parameter graph is missing: which GraphDefinition?');
    const { type } = instanceOf(parameters);
    const row = await subjectOf(services, context, parameters, 'graph');
    const asOf = services.catalog.head().seq;
    const graph = await graphAt(services, context, name, asOf);
    if (graph.start !== type) {
      throw fhirError(422, 'business-rule', `The graph starts at ${graph.start}; $graph was called on a ${type}.`);
    }
    const walk = new GraphWalk(services, context, asOf);
    await walk.from(row, graph.link);
    const rows = [row, ...walk.found];
    await recordRelease(services, context, 'graph', 'permit', walk.found);
    const entry = await Promise.all(rows.map((one) => entryOf(services, context, one)));
    return { status: 200, resource: { resourceType: 'Bundle', ...marked(services, rows), type: 'collection', entry } };
  },
};

async function entryOf(
  services: FhirServices,
  context: Context,
  row: VersionRow,
): Promise<{ fullUrl: string; resource: Resource }> {
  const { resourceType, id } = services.opened.header(row);
  return { fullUrl: `${context.baseUrl}/${resourceType}/${id}`, resource: await contentOfRow(services, context, row) };
}
