/** Whatever the data and the text: a result or a FhirPathError, soon. */
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { describe, it } from 'node:test';
import { compileFhirPath, FhirPathError, Scope, type CompiledPath } from '../../../src/fhir/fhirpath/fhirpath.js';
import { constrainedElements } from './constrained-elements.js';
import { definitions, model } from './support.js';

/** Numbers in [0, 1), the same in each run. */
function random(seed: number): () => number {
  let state = seed;
  return () => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return state / 2 ** 32;
  };
}

const oddities: readonly unknown[] = [
  null,
  '',
  'x',
  0,
  -1,
  1e300,
  true,
  [],
  {},
  [null],
  [[]],
  [1, 'a', {}],
  { value: {} },
  '2020-99-99',
  '__proto__',
];

/** A copy with one odd value somewhere. */
function spoiled(value: unknown, next: () => number): unknown {
  if (typeof value !== 'object' || value === null || next() < 0.05)
    return oddities[Math.floor(next() * oddities.length)];
  const keys = Object.keys(value);
  if (keys.length === 0) return oddities[Math.floor(next() * oddities.length)];
  const key = keys[Math.floor(next() * keys.length)];
  const copy = (Array.isArray(value) ? [...(value as unknown[])] : { ...value }) as Record<string, unknown>;
  const target = next() < 0.1 ? `_${key}` : key;
  copy[target] = spoiled((value as Record<string, unknown>)[key], next);
  return copy;
}

describe('odd data', () => {
  it('never ends in anything but a verdict or a FhirPathError: 20,000 spoiled elements', () => {
    const next = random(7);
    const lines = readFileSync('../shared/corpus/validation/mutations.ndjson', 'utf8').split('\n').filter(Boolean);
    const compiled = new Map<string, CompiledPath>();
    let count = 0;
    let errors = 0;
    for (let i = 0; count < 20_000; i = (i + 1) % lines.length) {
      const { resource } = JSON.parse(lines[i]) as { resource?: { resourceType?: string } };
      if (!resource?.resourceType || !model.type(resource.resourceType)) continue;
      const bad = spoiled(resource, next) as object | null;
      for (const { type, expression, value } of constrainedElements(resource, definitions, model)) {
        const key = `${type} ${expression}`;
        let path = compiled.get(key);
        if (!path) compiled.set(key, (path = compileFhirPath(expression, model, { type })));
        count += 1;
        try {
          assert.equal(
            typeof path.test(spoiled(value, next), new Scope({ resource: bad, rootResource: bad })),
            'boolean',
          );
        } catch (error) {
          assert.ok(error instanceof FhirPathError, `${expression}: ${String(error)}`);
          errors += 1;
        }
      }
    }
    assert.ok(errors > 0);
  });
});

describe('odd text', () => {
  const pieces =
    "name given value (1) . where exists( ) [0] and or = ~ != | + - * / div mod & 'x' \"y\" `z` @2020 @T10 %resource $this $index is as Patient string {} , iif( all( 5 'mg' 3 days 1.5 true in contains implies // /* */ \\ 🔥 matches('a+') repeat( aggregate( ofType(".split(
      ' ',
    );

  it('is an expression or a FhirPathError: 20,000 texts', () => {
    const next = random(3);
    let compiled = 0;
    const input = { resourceType: 'Patient', name: [{ given: ['a', 'b'] }] };
    for (let i = 0; i < 20_000; i += 1) {
      const text = Array.from({ length: 1 + Math.floor(next() * 9) }, () => pieces[Math.floor(next() * pieces.length)]);
      try {
        compileFhirPath(text.join(next() < 0.5 ? ' ' : ''), model).evaluate(input);
        compiled += 1;
      } catch (error) {
        assert.ok(error instanceof FhirPathError, `${text.join(' ')}: ${String(error)}`);
      }
    }
    assert.ok(compiled > 1_000, String(compiled));
  });

  it('that asks for endless work ends in an error', () => {
    const path = (expression: string) => compileFhirPath(expression, model);
    assert.throws(() => path('1.repeat($this + 1)').evaluate(undefined), FhirPathError);
    assert.throws(() => path('('.repeat(100_000)), FhirPathError);
    assert.throws(() => path(`${'-'.repeat(100_000)}1`), FhirPathError);
    assert.throws(() => path("'a'.power(2)").evaluate(undefined), FhirPathError);
    const many = Array.from({ length: 60 }, (_, i) => i).join(' | ');
    assert.throws(() => path(`(${many}).aggregate($total + $total, 'x')`).evaluate(undefined), FhirPathError);
    assert.throws(() => path(`(${many}).aggregate($total * $total, 1.5)`).evaluate(undefined), FhirPathError);
    assert.throws(() => path(`(${many}).aggregate($total.replace('', 'xx'), 'x')`).evaluate(undefined), FhirPathError);
    const nested = Array.from({ length: 5 }, () => `(${many}).select(`).join('') + '1' + ')'.repeat(5);
    assert.throws(() => path(nested).evaluate(undefined), FhirPathError);
  });
});
