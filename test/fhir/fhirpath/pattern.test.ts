/** Regular expressions: right as RegExp is, but never slow. */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { FhirPathError } from '../../../src/fhir/fhirpath/fhirpath.js';
import { compilePattern } from '../../../src/fhir/fhirpath/pattern.js';
import { Automaton } from '../../../src/fhir/fhirpath/regex/automaton.js';
import { backtrackingDegree } from '../../../src/fhir/fhirpath/regex/cost.js';
import { parseRegex } from '../../../src/fhir/fhirpath/regex/syntax.js';

const degree = (source: string) => backtrackingDegree(parseRegex(source, true)!);

describe('cost of a pattern', () => {
  it('is linear for an anchored one in which each character has one place to go', () => {
    assert.equal(degree('^[0-9]{4}(-[0-9]{2})?$'), 1);
    assert.equal(degree('^[A-Z][a-z]*(\\.[a-z]+)*$'), 1);
  });

  it('grows by one degree where the match may start anywhere', () => {
    assert.equal(degree('[A-Z][a-z]*(\\.[a-z]+)*'), 2);
  });

  it('grows with each repetition that may hand over to the next', () => {
    assert.equal(degree('^.*a.*$'), 2);
    assert.equal(degree('^\\s*\\s*\\s*$'), 3);
  });

  for (const source of [
    '(a+)+$',
    '^(a|a)*$',
    '^(a|aa)+$',
    '^(.*)*$',
    '^(a?)*$',
    '^(\\w+\\s?)*$',
    '(x+x+)+y',
    '^(a*)*b',
  ]) {
    it(`is unbounded for ${source}`, () => {
      assert.equal(degree(source), Infinity);
    });
  }
});

describe('a pattern', () => {
  const cases: readonly (readonly [string, string])[] = [
    ['a|bc', 'xbcx'],
    ['^(a|bc)+$', 'abcbca'],
    ['^(a+)+$', 'aaaaaaaab'],
    ['\\bLib', 'the Library'],
    ['\\Bib', 'the Library'],
    ['^[^\\s.]{1,4}(\\.[a-z]{2,3}){0,2}$', 'ab.cd.efg'],
    ['^[^\\s.]{1,4}(\\.[a-z]{2,3}){0,2}$', 'ab.cd.efg.hi'],
    ['^\\p{Lu}.$', 'Éé'],
    ['^.$', '😀'],
    ['a.*b$', 'a\nb'],
    ['', 'x'],
    ['^$', ''],
    ['(?:x|y)?z{2}', 'yzz'],
    ['[\\]\\-a]+', ']-a'],
    ['\\u0041\\x42', 'AB'],
  ];

  it('matches in the automaton what it matches in RegExp', () => {
    for (const [source, text] of cases) {
      const automaton = Automaton.of(parseRegex(source, true)!, true)!;
      for (const sample of [text, `${text}!`, text.slice(1), '', 'aaaa', 'abc.def']) {
        assert.equal(automaton.test(sample, false), new RegExp(source, 'su').test(sample), `${source} in ${sample}`);
        assert.equal(
          automaton.test(sample, true),
          new RegExp(`^(?:${source})$`, 'su').test(sample),
          `${source} ${sample}`,
        );
      }
    }
  });

  it('that would take exponential time answers at once', () => {
    const text = `${'a'.repeat(50_000)}!`;
    for (const source of ['^(a+)+$', '^(a|a)*$', '^(a|aa)+$', '(x+x+)+y', '^([a-z]+)*$', '(.*a){12}$']) {
      assert.equal(compilePattern(source).test(text), false, source);
    }
    assert.equal(compilePattern('^(a+)+$').test('a'.repeat(50_000)), true);
  });

  it('whose time cannot be bounded is refused, while a bounded one with a lookahead works', () => {
    assert.throws(() => compilePattern('^(?=a)(a+)+$').test('a'.repeat(40)), FhirPathError);
    assert.equal(compilePattern('^(?!a)[a-z]+$').test('bcd'), true);
    assert.throws(() => compilePattern('(a+)\\1$').test('aaaa'), FhirPathError);
  });

  it('that is none is refused', () => {
    assert.throws(() => compilePattern('(a'), FhirPathError);
    assert.throws(() => compilePattern('a'.repeat(6_000)), FhirPathError);
  });

  it('replaces with groups', () => {
    assert.equal(compilePattern('\\b([0-9]{2})/([0-9]{2})\\b').replace('11/30', '$2-$1'), '30-11');
  });
});
