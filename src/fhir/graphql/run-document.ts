/** Runs a document of `$graphql` on one resource or on what it searches for. Spec: https://hl7.org/fhir/R4/graphql.html */
import { stringifyJson } from '../../base/json.js';
import { recordRelease } from '../interactions/release.js';
import type { Operation } from '../operations/operation.js';
import { subjectOf } from '../operations/stored.js';
import { GraphQlDocument } from './document.js';
import { Output } from './output.js';
import { graphQlTextOf } from './request.js';
import { Run } from './run.js';
import { selectRoot } from './searches.js';
import { selectResource } from './select.js';

export const runDocument: Operation['run'] = async (services, request, context, parameters) => {
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
};
