/** Runs a document of `$graphql` on one resource or on what it searches for. Spec: https://hl7.org/fhir/R4/graphql.html */
import { stringifyJson } from '../../base/json.js';
import { recordRelease } from '../interactions/release.js';
import type { Operation } from '../operations/operation.js';
import type { FhirResponse } from '../request.js';
import { subjectOf } from '../operations/stored.js';
import { GraphQlDocument, invalid } from './document.js';
import { mutate } from './mutation.js';
import { Output } from './output.js';
import { graphQlTextOf } from './request.js';
import { Run } from './run.js';
import { selectRoot } from './searches.js';
import { selectResource } from './select.js';

export const runDocument: Operation['run'] = async (services, request, context, parameters) => {
  const document = GraphQlDocument.read(graphQlTextOf(request));
  const output = new Output();
  if (document.isMutation) {
    if (parameters.id !== undefined) throw invalid('mutations are asked of the whole system');
    const mutation = await mutate(services, request, context, document, output);
    await recordRelease(services, context, 'graphql', 'permit', mutation.rows);
    return answer(output);
  }
  const run = new Run(services, context, document, services.catalog.head().seq);
  if (parameters.id === undefined) await selectRoot(run, [document.root], output);
  else {
    const row = await subjectOf(services, context, parameters, 'graphql');
    await selectResource(run, await run.open(row), [document.root], output, 1);
  }
  await recordRelease(services, context, 'graphql', 'permit', run.rows);
  return answer(output);
};

function answer(output: Output): FhirResponse {
  const bytes = Buffer.from(stringifyJson({ data: output.toJson() }));
  return { status: 200, native: { contentType: 'application/json; charset=utf-8', bytes } };
}
