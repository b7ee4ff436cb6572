/** Search parameters: composites have parts, expressions can be compiled. Spec: https://hl7.org/fhir/R4/searchparameter.html */
import { objectsOf, textOf, type JsonObject } from './objects.js';
import { shown, type Frame, type Run } from './run.js';

export function searchParameterRule(run: Run, { resource, path }: Frame): void {
  const parameter = resource as JsonObject;
  if (parameter.type === 'composite' && objectsOf(parameter.component).length < 2) {
    run.error('business-rule', 'search-components', path, 'a composite parameter has two or more components');
  }
  const expression = textOf(parameter.expression);
  const problem = expression && run.engine.invariants.problemOf(expression);
  if (expression && problem) {
    run.error(
      'invalid',
      'search-expression',
      `${path}.expression`,
      `the expression ${shown(expression)} is no FHIRPath: ${problem}`,
    );
  }
}
