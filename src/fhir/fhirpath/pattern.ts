/** Regular expressions of `matches` and its kin. Spec: https://hl7.org/fhirpath/N1/#matchesregex-string-boolean */
import { FhirPathError } from './errors.js';

/** A compiled pattern. */
export interface Pattern {
  /** True when a part of the text matches. */
  test(text: string): boolean;
  /** True when the whole text matches. */
  testWhole(text: string): boolean;
  /** All matches replaced; `$1` and `$0` in `other` stand for groups and the match. */
  replace(text: string, other: string): string;
}

const compiled = new Map<string, Pattern>();
const mostCompiled = 1000;

/** @throws FhirPathError when `source` is no regular expression. */
export function compilePattern(source: string): Pattern {
  let pattern = compiled.get(source);
  if (pattern) return pattern;
  pattern = create(source);
  if (compiled.size >= mostCompiled) compiled.clear();
  compiled.set(source, pattern);
  return pattern;
}

function create(source: string): Pattern {
  const find = regExp(source, 's');
  const whole = regExp(`^(?:${source})$`, 's');
  const all = regExp(source, 'gs');
  return {
    test: (text) => find.test(text),
    testWhole: (text) => whole.test(text),
    replace: (text, other) =>
      text.replace(
        all,
        other.replace(/\$0/g, () => '$&'),
      ),
  };
}

function regExp(source: string, flags: string): RegExp {
  try {
    return new RegExp(source, `${flags}u`);
  } catch {
    try {
      return new RegExp(source, flags);
    } catch {
      throw new FhirPathError('execution', `no regular expression: ${JSON.stringify(source)}`);
    }
  }
}
