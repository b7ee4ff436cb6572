/** The official FHIRPath suite for R4. Every exception stands in the table below with its reason. */
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { describe, it } from 'node:test';
import { pathToFileURL } from 'node:url';
import { resolve } from 'node:path';
import { parseJson } from '../../../src/base/json.js';
import { loadDefinitions } from '../../../src/fhir/definitions/definitions.js';
import { readXml } from '../../../src/fhir/format/xml.js';
import { compileFhirPath, FhirPathError, type TypedValue } from '../../../src/fhir/fhirpath/fhirpath.js';
import { FhirModel } from '../../../src/fhir/fhirpath/model.js';
import { readSuite, type SuiteCase } from './official-suite.js';

/** Cases that are wrong for R4, and why. */
const exceptions: Readonly<Record<string, string>> = {};

const folder = pathToFileURL(`${resolve('../shared/corpus/fhirpath')}/`);
const definitions = loadDefinitions();
const model = new FhirModel((name) => definitions.structureDefinition(name));
const inputs = new Map<string, unknown>();

function inputOf(name: string | undefined): unknown {
  if (name === undefined) return undefined;
  if (!inputs.has(name)) {
    const text = readFileSync(new URL(name, folder), 'utf8');
    inputs.set(name, name.endsWith('.xml') ? readXml(text, definitions, []) : parseJson(text));
  }
  return inputs.get(name);
}

const env = {
  conformsTo(resource: unknown, url: string): boolean | undefined {
    const definition = definitions.structureDefinition(url);
    return definition && (resource as { resourceType?: string }).resourceType === definition.type;
  },
};

function run(test: SuiteCase): readonly TypedValue[] {
  return compileFhirPath(test.expression, model, { strict: true }).values(inputOf(test.input), env);
}

/** Texts of the results; exact, as `toString()` gives them. */
function texts(test: SuiteCase): string[] {
  const expression = `(${test.expression}\n).select(toString())`;
  return compileFhirPath(expression, model, { strict: true })
    .values(inputOf(test.input), env)
    .map((value) => String(value.value));
}

function check(test: SuiteCase): void {
  if (test.invalid !== undefined) {
    assert.throws(() => run(test), FhirPathError);
    return;
  }
  const found = run(test);
  if (test.predicate) {
    assert.deepEqual(
      [String(found.length > 0)],
      test.outputs.map((output) => output.text),
    );
    return;
  }
  // The suite writes a cut negative decimal as -0.0; decimals here have no negative zero.
  const expected = test.outputs.map((output) => output.text.replace(/^@T?/, '').replace(/^-(?=0\.0$)/, ''));
  const actual = found.length === 0 ? [] : texts(test);
  if (!test.ordered) [expected, actual].forEach((list) => list.sort());
  assert.deepEqual(actual, expected);
  test.outputs.forEach(({ type }, index) => {
    if (type !== undefined) assert.equal(kind(found[index].type), type.toLowerCase());
  });
}

/** `System.DateTime` and `dateTime` are the same for the suite. */
function kind(type: string): string {
  return type.replace('System.', '').toLowerCase();
}

const cases = readSuite(new URL('tests-fhir-r4.xml', folder));

describe('official FHIRPath suite', () => {
  it('has 934 cases in 99 groups', () => {
    assert.equal(cases.length, 934);
    assert.equal(new Set(cases.map((test) => test.group)).size, 99);
  });

  for (const group of new Set(cases.map((test) => test.group))) {
    it(`passes ${group}`, () => {
      const failures: string[] = [];
      for (const test of cases.filter((one) => one.group === group)) {
        try {
          check(test);
          if (exceptions[test.name]) failures.push(`${test.name} passes: take it off the exceptions`);
        } catch (error) {
          if (!exceptions[test.name]) failures.push(`${test.name}: ${test.expression}\n  ${(error as Error).message}`);
        }
      }
      assert.deepEqual(failures, []);
    });
  }
});
