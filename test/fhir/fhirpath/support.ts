/** R4's types, for the tests of FHIRPath. */
import { loadDefinitions } from '../../../src/fhir/definitions/definitions.js';
import { compileFhirPath, type CompileOptions, type FhirPathEnv } from '../../../src/fhir/fhirpath/fhirpath.js';
import { FhirModel } from '../../../src/fhir/fhirpath/model.js';

export const definitions = loadDefinitions();
export const model = new FhirModel((name) => definitions.structureDefinition(name));

/** Results of an expression on a resource, or on an input of `options.type`. */
export function evaluate(expression: string, input?: unknown, env?: FhirPathEnv, options?: CompileOptions): unknown[] {
  return compileFhirPath(expression, model, options).evaluate(input, env);
}
