import assert from 'node:assert/strict';
import { readdirSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { describe, it } from 'node:test';
import { parseJson } from '../../../src/base/json.js';
import type { Resource } from '../../../src/base/resource.js';
import { createTerminology } from '../../../src/fhir/terminology/terminology.js';
import { createValidator } from '../../../src/fhir/validation/create-validator.js';
import { validateText } from '../../../src/fhir/validation/validate-text.js';
import { casesOf, core, corpusFolder, readLines, run } from './corpus.js';
import { mutated, randomOf } from './fuzz.js';

const validator = createValidator({ definitions: core, terminology: createTerminology(core) });
const isError = ({ severity }: { severity: string }): boolean => severity === 'error' || severity === 'fatal';

function bundleOf(file: string): Resource & { entry: { resource: Resource }[] } {
  const text = readFileSync(path.join(corpusFolder, 'synthea', file), 'utf8');
  return parseJson(text) as unknown as Resource & { entry: { resource: Resource }[] };
}

describe('the validator', () => {
  it('refuses no resource and no bundle of Synthea, and warns of profiles that are not at hand', () => {
    for (const file of readdirSync(path.join(corpusFolder, 'synthea'))) {
      const bundle = bundleOf(file);
      assert.deepEqual(validator.validate(bundle, { unknownProfile: 'warning' }).filter(isError), [], file);
      for (const { resource } of bundle.entry) {
        assert.deepEqual(validator.validate(resource, { unknownProfile: 'warning' }).filter(isError), []);
      }
    }
  });

  it('refuses no resource of the throughput samples', () => {
    for (const file of ['mixed-2000', 'observations-2000']) {
      for (const resource of readLines(`throughput/${file}.ndjson`)) {
        assert.deepEqual(validator.validate(resource).filter(isError), [], resource.id);
      }
    }
  });

  it('answers 4,000 random changes of resources with a verdict, never an exception', () => {
    const random = randomOf(20260101);
    const originals = casesOf('mutations').filter(({ mutation, resource }) => !mutation && resource);
    for (let at = 0; at < 3000; at += 1) {
      const resource = mutated(originals[at % originals.length].resource, random);
      assert.ok(Array.isArray(validator.validate(resource as Resource)));
    }
    const profiled = casesOf('profiled').filter(({ mutation, resource }) => !mutation && resource);
    for (let at = 0; at < 1000; at += 1) {
      const one = profiled[at % profiled.length];
      assert.ok(Array.isArray(run({ ...one, resource: mutated(one.resource, random) as Resource }).issues));
    }
  });

  it('answers texts that are neither JSON nor XML with one fatal issue and its place', () => {
    for (const text of ['', ' ', '{', '{"resourceType":"Patient",}', '<Patient', '<?xml version="1.0"?><a>', '[1,2']) {
      const issues = validateText(validator, core, text);
      assert.equal(issues.length, 1, text);
      assert.equal(issues[0].severity, 'fatal');
      assert.ok((issues[0].line ?? 0) >= 1, text);
    }
    assert.equal(validateText(validator, core, '[1,2]')[0].severity, 'fatal');
  });

  it('validates a Bundle in steps, one for each entry, to the same issues', () => {
    const bundle = bundleOf('00-hospitals.json');
    const steps = validator.validateInSteps(bundle, { unknownProfile: 'warning' });
    let count = 0;
    let step = steps.next();
    for (; !step.done; step = steps.next()) count += 1;
    assert.equal(count, bundle.entry.length);
    assert.deepEqual(step.value, validator.validate(bundle, { unknownProfile: 'warning' }));
    const broken = structuredClone(bundle);
    broken.entry[3].resource.name = 5;
    const found = validator.validate(broken, { unknownProfile: 'warning' }).filter(isError);
    assert.deepEqual(
      found.map(({ expression, rule }) => [expression, rule]),
      [['Bundle.entry[3].resource.name', 'format-string']],
    );
  });
});
