import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import {
  isTranslated,
  translateBy,
  type ConceptMap,
  type Question,
} from '../../../src/fhir/terminology/concept-map.js';

const map: ConceptMap = {
  group: [
    {
      source: 'urn:local',
      target: 'urn:world',
      element: [
        { code: 'a', target: [{ code: 'A', display: 'Great A', equivalence: 'wider' }] },
        { code: 'b', target: [{ equivalence: 'unmatched' }] },
        {
          code: 'c',
          target: [
            { code: 'C1', equivalence: 'equal', dependsOn: [{ property: 'urn:sex', value: 'female' }] },
            { code: 'C2', equivalence: 'equal', product: [{ property: 'urn:unit', value: 'kg' }] },
          ],
        },
      ],
      unmapped: { mode: 'provided' },
    },
    { source: 'urn:local', target: 'urn:other', unmapped: { mode: 'fixed', code: 'none' } },
    { source: 'urn:local', target: 'urn:third', unmapped: { mode: 'other-map', url: 'urn:next' } },
  ],
};
const ask = (code: string, more: Partial<Question> = {}) =>
  translateBy(map, { coding: { system: 'urn:local', code }, dependencies: [], isReverse: false, ...more });
const codes = (code: string, more: Partial<Question> = {}) =>
  ask(code, more).matches.map(({ equivalence, concept }) => `${equivalence} ${concept?.code ?? '-'}`);

describe('translations by a ConceptMap', () => {
  it('go from the code of a group to its targets', () => {
    assert.deepEqual(ask('a', { targetSystem: 'urn:world' }).matches, [
      { equivalence: 'wider', concept: { system: 'urn:world', code: 'A', display: 'Great A' }, products: [] },
    ]);
    assert.deepEqual(codes('a', { coding: { system: 'urn:unknown', code: 'a' } }), []);
  });

  it('say that there is none where the map says so', () => {
    const { matches } = ask('b', { targetSystem: 'urn:world' });
    assert.deepEqual([matches[0].equivalence, isTranslated(matches)], ['unmatched', false]);
  });

  it('depend on other elements where the map says so, and give products', () => {
    const female = [{ element: 'urn:sex', codings: [{ code: 'female' }] }];
    assert.deepEqual(codes('c', { targetSystem: 'urn:world' }), ['equal C2']);
    assert.deepEqual(codes('c', { targetSystem: 'urn:world', dependencies: female }), ['equal C1', 'equal C2']);
    const [{ products }] = ask('c', { targetSystem: 'urn:world' }).matches;
    assert.deepEqual(products, [{ element: 'urn:unit', concept: { code: 'kg' } }]);
  });

  it('treat what is not mapped as the group says: the same code, a fixed one, another map', () => {
    assert.deepEqual(codes('z'), ['equal z', 'inexact none']);
    assert.deepEqual(ask('z').otherMaps, ['urn:next']);
  });

  it('go backwards with wider and narrower changed', () => {
    const back = { coding: { system: 'urn:world', code: 'A' }, isReverse: true };
    assert.deepEqual(codes('A', back), ['narrower a']);
    assert.deepEqual(codes('A', { ...back, coding: { system: 'urn:other', code: 'A' } }), []);
  });
});
