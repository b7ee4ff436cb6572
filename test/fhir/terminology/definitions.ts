/** Core definitions and terminology, loaded once for the tests of a file. */
import { loadDefinitions } from '../../../src/fhir/definitions/definitions.js';
import type { CanonicalResource } from '../../../src/fhir/definitions/types.js';
import { createTerminology, type Terminology } from '../../../src/fhir/terminology/terminology.js';

export const core = loadDefinitions();
export const coreTerminology = createTerminology(core);

/** Terminology over the core and `resources`. */
export function withResources(...resources: object[]): Terminology {
  return createTerminology(core.with(resources as CanonicalResource[]));
}

/** A code system with a small hierarchy: animal > (mammal > (dog, cat), bird). */
export const animals = {
  resourceType: 'CodeSystem',
  url: 'http://example.org/animals',
  version: '1.0',
  name: 'Animals',
  status: 'active',
  content: 'complete',
  caseSensitive: true,
  property: [
    { code: 'legs', type: 'integer' },
    { code: 'sound', type: 'string' },
  ],
  concept: [
    {
      code: 'animal',
      display: 'Animal',
      property: [{ code: 'notSelectable', valueBoolean: true }],
      concept: [
        {
          code: 'mammal',
          display: 'Mammal',
          definition: 'Gives milk',
          concept: [
            {
              code: 'dog',
              display: 'Dog',
              designation: [{ language: 'de', value: 'Hund' }],
              property: [
                { code: 'legs', valueInteger: 4 },
                { code: 'sound', valueString: 'bark' },
              ],
            },
            { code: 'cat', display: 'Cat', property: [{ code: 'legs', valueInteger: 4 }] },
          ],
        },
        { code: 'bird', display: 'Bird', property: [{ code: 'legs', valueInteger: 2 }] },
        { code: 'dodo', display: 'Dodo', property: [{ code: 'status', valueCode: 'retired' }] },
      ],
    },
  ],
};

/** A value set with the given includes and excludes. */
export function valueSet(url: string, include: object[], exclude?: object[], rest: object = {}): object {
  return {
    resourceType: 'ValueSet',
    url,
    status: 'active',
    compose: { include, ...(exclude ? { exclude } : {}) },
    ...rest,
  };
}
