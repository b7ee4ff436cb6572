/** `$graphql`: the fields that a client names, of one resource or of what it searches for. Spec: https://hl7.org/fhir/R4/graphql.html */
import { stringifyJson } from '../../base/json.js';
import { GraphQlDocument } from '../graphql/document.js';
import { Output } from '../graphql/output.js';
import { graphQlTextOf } from '../graphql/request.js';
import { Run } from '../graphql/run.js';
import { selectRoot } from '../graphql/searches.js';
import { selectResource } from '../graphql/select.js';
import { recordRelease } from '../interactions/release.js';
import type { Operation } from './operation.js';
import { subjectOf } from './stored.js';

export const graphqlOperation: Operation = {
  name: 'graphql',
  definition: 'http://hl7.org/fhir/OperationDefinition/Resource-graphql',
  levels: ['system', 'instance'],
  isSafe: true,
  async run(services, request, context, parameters) {
    const document = GraphQlDocument.read(graphQlTextOf(request));
    const run = new Run(services, context, document, services.catalog.head().seq);
    const output = new Output();
    if (parameters.id === undefined) await selectRoot(run, [document.root], output);
    else {
      const row = await subjectOf(services, context, parameters, 'graphql');
      await selectResource(run, await run.open(row), [document.root], output, 1);
    }
    await recordRelease(services, context, 'graphql', 'permit', run.rows);
    const bytes = Buffer.from(stringifyJson({ data: output.toJson() }));
    return { status: 200, native: { contentType: 'application/json; charset=utf-8', bytes } };
  },
};
