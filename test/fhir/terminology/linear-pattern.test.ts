import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { linearPattern } from '../../../src/fhir/terminology/linear-pattern.js';

describe('patterns of definitions', () => {
  const patterns = [
    '[0-9]{3}',
    '[A-Z]{3}',
    '[A-Z]{2,}',
    'a|bc|',
    '(ab?)*c+',
    '(?:x|y){2,3}z?',
    '\\d+\\.\\d*',
    '[^abc]+',
    '[\\w-]+',
    '.*foo.*',
    '^a.b$',
    '[]a]+',
    '\\[x\\]',
    'a{0,2}b{2}',
    '(a|b)*?abb',
    'é+',
  ];
  const texts = [
    '',
    '123',
    'ABC',
    'AB',
    'ABCD',
    'a',
    'bc',
    'ababcc',
    'c',
    'xyz',
    'xx',
    'yyxz',
    '1.',
    '12.5',
    'def',
    'a-b_c',
    'xfoox',
    'a.b',
    'axb',
    'a\nb',
    ']a',
    '[x]',
    'aabb',
    'aaabb',
    'bb',
    'babb',
    'éé',
  ];
  for (const pattern of patterns) {
    test(`${pattern} matches what JavaScript's own matcher matches`, () => {
      // In JavaScript `[]` is the empty class; in POSIX and Java a bracket that comes first is meant.
      const own = new RegExp(`^(?:${pattern === '[]a]+' ? '[\\]a]+' : pattern})$`, 'u');
      const matches = linearPattern(pattern);
      for (const text of texts) assert.equal(matches?.(text), own.test(text), JSON.stringify(text));
    });
  }

  for (const pattern of [
    '(a',
    'a)',
    '[a',
    'a{2',
    '*a',
    'a**',
    '(?=a)b',
    '(?<n>a)',
    '\\1',
    'a{3,2}',
    '\\',
    '(((a{99}){99}){99})',
  ]) {
    test(`${pattern} is refused rather than guessed`, () => assert.equal(linearPattern(pattern), undefined));
  }

  test('what blows up a backtracking matcher is answered at once', () => {
    const matches = linearPattern('(a*)*(a|aa)+(a?){20}b');
    assert.equal(matches?.('a'.repeat(2000)), false);
    assert.equal(matches?.(`${'a'.repeat(2000)}b`), true);
  });
});
