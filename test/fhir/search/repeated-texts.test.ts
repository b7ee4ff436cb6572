import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Resource } from '../../../src/base/resource.js';
import { createExtractor } from '../../../src/fhir/search/extract.js';
import { readCorpus } from './corpus.js';
import { testContext } from './memory-index.js';

const context = testContext();
const extractedAlone = (resource: Resource) => createExtractor(context).extract(resource);

test('an extractor that has seen a whole corpus gives for each resource what a new one gives', () => {
  const seasoned = createExtractor(context);
  const corpus = readCorpus(3);
  for (const resource of corpus) seasoned.extract(resource);
  // Backwards: what is remembered then comes from other resources.
  for (const resource of corpus.reverse()) {
    assert.deepEqual(seasoned.extract(resource), extractedAlone(resource), `${resource.resourceType}/${resource.id}`);
  }
});

test('a string that reads like another value of the same element is not taken for it', () => {
  const extractor = createExtractor(context);
  const value = { coding: [{ system: 'http://loinc.org', code: 'LA6576-8' }] };
  const observation = (given: object): Resource => ({ resourceType: 'Observation', id: 'o', ...given });
  extractor.extract(observation({ valueCodeableConcept: value }));
  for (const text of [`CodeableConcept${JSON.stringify(value)}`, `\u0000CodeableConcept${JSON.stringify(value)}`]) {
    const resource = observation({ valueString: text });
    assert.deepEqual(extractor.extract(resource), extractedAlone(resource));
  }
});

test('the same reference is local to one base URL and foreign to another', () => {
  const resource: Resource = {
    resourceType: 'Observation',
    id: 'o',
    subject: { reference: 'http://here.example/fhir/Patient/p' },
  };
  const at = (baseUrl: string) => createExtractor({ ...context, baseUrl }).extract(resource);
  assert.equal(at('http://here.example/fhir').links.length, 1);
  assert.equal(at('http://there.example/fhir').links.length, 0);
  assert.notDeepEqual(at('http://here.example/fhir').terms, at('http://there.example/fhir').terms);
});
