/** Every expression that R4, US Core, IPS and the corpus publish compiles for every type that it is stated for. */
import assert from 'node:assert/strict';
import { readdirSync, readFileSync } from 'node:fs';
import { describe, it } from 'node:test';
import type { Definitions } from '../../../src/fhir/definitions/definitions.js';
import type { StructureDefinition } from '../../../src/fhir/definitions/types.js';
import { compileFhirPath, FhirPathError } from '../../../src/fhir/fhirpath/fhirpath.js';
import { loadPackages } from '../../../src/fhir/packages/load-packages.js';
import { definitions, model } from './support.js';

/** Type of the inputs of an element's invariants; undefined where only the instance tells. */
function typeOfElement(path: string, codes: readonly string[]): string | undefined {
  if (model.type(path)) return path;
  const code = codes.length === 1 ? codes[0] : undefined;
  return code !== undefined && model.type(code) ? code : undefined;
}

/** The errors of a definition's invariants. */
function failures(definition: StructureDefinition, strict: boolean): { compiled: number; errors: string[] } {
  const errors: string[] = [];
  let compiled = 0;
  for (const view of [definition.snapshot, definition.differential]) {
    for (const { path, type, constraint } of view?.element ?? []) {
      for (const { key, expression } of constraint ?? []) {
        if (expression === undefined) continue;
        compiled += 1;
        const codes = (type ?? []).map(({ code }) => code);
        try {
          compileFhirPath(expression, model, { type: typeOfElement(path, codes), strict });
        } catch (error) {
          assert.ok(error instanceof FhirPathError);
          errors.push(`${definition.url} ${path} ${key}: ${error.message}`);
        }
      }
    }
  }
  return { compiled, errors };
}

function all(from: Definitions): { compiled: number; errors: string[] } {
  const results = [...from.structureDefinitions()].map(({ url }) => failures(from.structureDefinition(url)!, false));
  return {
    compiled: results.reduce((sum, { compiled }) => sum + compiled, 0),
    errors: results.flatMap(({ errors }) => errors),
  };
}

describe('published expressions', () => {
  it('of invariants of R4 compile', () => {
    const { compiled, errors } = all(definitions);
    assert.ok(compiled > 14_000, String(compiled));
    assert.deepEqual(errors, []);
  });

  it('of invariants of US Core 6.1.0 and IPS 1.1.0 compile', () => {
    const folder = '../shared/packages/';
    const loaded = loadPackages(
      readdirSync(folder).map((name) => folder + name),
      definitions,
    );
    const { compiled, errors } = all(loaded.definitions);
    assert.ok(compiled > 18_000, String(compiled));
    assert.deepEqual(errors, []);
  });

  it('of invariants of the profiles in the corpus compile', () => {
    const folder = '../shared/corpus/validation/profiles/';
    let compiled = 0;
    for (const name of readdirSync(folder).filter(
      (one) => one.includes('StructureDefinition') || /core|UK/.test(one),
    )) {
      const parsed = JSON.parse(readFileSync(folder + name, 'utf8')) as StructureDefinition;
      if (parsed.resourceType !== 'StructureDefinition') continue;
      const result = failures(parsed, false);
      compiled += result.compiled;
      assert.deepEqual(result.errors, []);
    }
    assert.ok(compiled > 100, String(compiled));
  });

  it('of search parameters of R4 compile for each of their base types', () => {
    let compiled = 0;
    for (const { expression, base } of definitions.searchParameters()) {
      if (expression === undefined) continue;
      for (const type of base) {
        compiled += 1;
        assert.ok(compileFhirPath(expression, model, { type }));
      }
    }
    assert.ok(compiled > 1_600, String(compiled));
  });
});
