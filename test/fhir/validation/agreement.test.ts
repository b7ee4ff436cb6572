import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { casesOf, run, type Case } from './corpus.js';

/** Counts as measured; a change that lowers one of them is a regression, one that raises it belongs here. */
interface Agreement {
  readonly cases: number;
  readonly agreed: number;
  /** Agreed invalid cases whose first error is in the reference's place, of how many. */
  readonly placed: readonly [number, number];
  /** Cases on which the two differ; docs/validation.md says why. */
  readonly differ: readonly string[];
}

function measure(file: 'mutations' | 'profiled' | 'official'): Agreement {
  const results = casesOf(file)
    .filter((one: Case) => !one.lenient)
    .map((one) => run(one));
  const placed = results.filter(({ placed }) => placed !== undefined);
  return {
    cases: results.length,
    agreed: results.filter(({ agrees }) => agrees).length,
    placed: [placed.filter((result) => result.placed).length, placed.length],
    differ: results.filter(({ agrees }) => !agrees).map((result) => result.case.id),
  };
}

describe('agreement with the HL7 validator', () => {
  it('is complete on originals and mutations', () => {
    assert.deepEqual(measure('mutations'), { cases: 1107, agreed: 1107, placed: [651, 657], differ: [] });
  });

  it('is above 99 % on profiled resources', () => {
    assert.deepEqual(measure('profiled'), {
      cases: 328,
      agreed: 326,
      placed: [211, 211],
      differ: ['cdex-task-data-request/pgen/7', 'cdex-task-data-request/pgen/7~p-extra-coding'],
    });
  });

  it('is above 95 % on the official suite', () => {
    assert.deepEqual(measure('official'), {
      cases: 172,
      agreed: 164,
      placed: [68, 69],
      differ: [
        'StructureDefinition-Slice23#base',
        'bundle-urn#base',
        'ips-link#base',
        'ips-link-xml#base',
        'mr-m-cql-library#base',
        'opdef-params#base',
        'xhtml-ctrl-source1#profile',
        'xhtml-ctrl-two-lang-bad#profile',
      ],
    });
  });

  it('holds when references are taken to resolve: every stricter verdict of the corpus on target types is met', () => {
    const cases = casesOf('mutations').filter(
      ({ mutation, strict }) => strict && mutation?.kind === 'bad-reference-target',
    );
    assert.ok(cases.length > 0);
    for (const one of cases) {
      const { isValid } = run({ ...one, options: { ...one.options, assumeRest: true } });
      assert.equal(isValid, one.strict?.expect === 'valid', one.id);
    }
  });
});
