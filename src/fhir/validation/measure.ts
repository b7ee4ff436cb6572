/** Measures: stratifiers in CQL need the library that defines the name. Spec: https://hl7.org/fhir/R4/measure.html */
import { objectsOf, type JsonObject } from './objects.js';
import type { Frame, Run } from './run.js';

const byName = new Set(['text/cql', 'text/cql.identifier']);

export function measureRule(run: Run, { resource, path }: Frame): void {
  const measure = resource as JsonObject;
  if (Array.isArray(measure.library) && measure.library.length > 0) return;
  for (const { object: group, at } of objectsOf(measure.group)) {
    for (const { object, at: index } of objectsOf(group.stratifier)) {
      const criteria = object.criteria as JsonObject | undefined;
      if (!byName.has(String(criteria?.language))) continue;
      const where = `${path}.group[${at}].stratifier[${index}].criteria`;
      run.error(
        'invalid',
        'measure-library',
        where,
        'the criteria name a CQL definition, but the Measure has no library',
      );
    }
  }
}
