/** `$graphql`: the fields that a client names, of one resource or of what it searches for. Spec: https://hl7.org/fhir/R4/graphql.html */
import type { Operation } from './operation.js';

export const graphqlOperation: Operation = {
  name: 'graphql',
  definition: 'http://hl7.org/fhir/OperationDefinition/Resource-graphql',
  levels: ['system', 'instance'],
  isSafe: true,
  async run(...asked) {
    // Loaded when first asked: the language's library costs 14 MB.
    const { runDocument } = await import('../graphql/run-document.js');
    return runDocument(...asked);
  },
};
