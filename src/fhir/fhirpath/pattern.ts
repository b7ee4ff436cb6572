/**
 * Regular expressions of `matches` and its kin, in bounded time whatever the pattern and the text.
 *
 * RegExp backtracks, and a pattern such as `(a+)+$` takes it exponential time. So the pattern is looked at first: where a polynomial bound is
 * known and small for the text at hand, RegExp does the work; else an automaton does, in linear time; where neither can (lookarounds and
 * back references in doubtful patterns), evaluation ends in an error.
 * Spec: https://hl7.org/fhirpath/N1/#matchesregex-string-boolean
 */
import { executionError } from './errors.js';
import { Automaton } from './regex/automaton.js';
import { backtrackingDegree } from './regex/cost.js';
import { parseRegex, type RegexNode } from './regex/syntax.js';

/** Steps that a backtracking matcher may take for one text: some milliseconds. */
const mostSteps = 2_000_000;
const longestPattern = 5_000;
const mostCompiled = 1_000;

/** A compiled pattern. Its methods throw FhirPathError `execution` when the time they take could not be bounded. */
export interface Pattern {
  /** True when a part of the text matches. */
  test(text: string): boolean;
  /** True when the whole text matches. */
  testWhole(text: string): boolean;
  /** All matches replaced; `$1` and `$0` in `other` stand for groups and the match. */
  replace(text: string, other: string): string;
}

const compiled = new Map<string, Pattern>();

/** @throws FhirPathError `execution` when `source` is no regular expression, or longer than 5,000 characters. */
export function compilePattern(source: string): Pattern {
  let pattern = compiled.get(source);
  if (pattern) return pattern;
  pattern = new GuardedPattern(source);
  if (compiled.size >= mostCompiled) compiled.clear();
  compiled.set(source, pattern);
  return pattern;
}

class GuardedPattern implements Pattern {
  private readonly find: RegExp;
  private readonly whole: RegExp;
  private readonly node: RegexNode | undefined;
  /** Texts up to this length go to RegExp. */
  private readonly longestText: number;
  private automaton: Automaton | null | undefined;

  constructor(private readonly source: string) {
    if (source.length > longestPattern) throw executionError('the regular expression is too long');
    this.find = regExp(source);
    this.whole = new RegExp(`^(?:${source})$`, this.find.flags);
    this.node = parseRegex(source, this.find.unicode);
    const degree = this.node ? backtrackingDegree(this.node) : Infinity;
    this.longestText = degree === Infinity ? 0 : Math.floor(mostSteps ** (1 / degree));
  }

  test(text: string): boolean {
    return text.length <= this.longestText ? this.find.test(text) : this.slowly(text, false);
  }

  testWhole(text: string): boolean {
    return text.length <= this.longestText ? this.whole.test(text) : this.slowly(text, true);
  }

  replace(text: string, other: string): string {
    if (text.length > this.longestText) throw this.unbounded();
    const all = new RegExp(this.find.source, `${this.find.flags}g`);
    return text.replace(all, other.replaceAll('$0', '$$&'));
  }

  private slowly(text: string, whole: boolean): boolean {
    if (this.automaton === undefined) {
      this.automaton = (this.node && Automaton.of(this.node, this.find.unicode)) ?? null;
    }
    if (!this.automaton) throw this.unbounded();
    return this.automaton.test(text, whole);
  }

  private unbounded() {
    return executionError(`the regular expression ${JSON.stringify(this.source)} could take too long on this text`);
  }
}

/** With the flag `u` where the pattern allows it; R4's own invariants escape more than it does. */
function regExp(source: string): RegExp {
  try {
    return new RegExp(source, 'su');
  } catch {
    try {
      return new RegExp(source, 's');
    } catch {
      throw executionError(`no regular expression: ${JSON.stringify(source)}`);
    }
  }
}
