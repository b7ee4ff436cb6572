/**
 * Regular expressions that cannot blow up: matched by walking all states at once, in time proportional to pattern size times text length.
 *
 * For patterns that come from definitions (ValueSet filters), which JavaScript's own backtracking matcher must not run. Whole texts are
 * matched. Understood: literals, `.`, classes with ranges, negation and \d \w \s, groups, `|`, `?`, `*`, `+`, `{n}`, `{n,}`, `{n,m}`, `^` at the
 * start and `$` at the end. Spec: https://hl7.org/fhir/R4/valueset-filter-operator.html (regex)
 */

type Test = (code: number) => boolean;

/** A state: goes on to `to` after a character that passes `test`, or without one when `test` is absent. */
interface State {
  test?: Test;
  to: number[];
}

const stateLimit = 2000;

/** @returns a test of whole texts, or undefined when the pattern is malformed, too large, or uses what is not understood (back references, look-around). */
export function linearPattern(pattern: string): ((text: string) => boolean) | undefined {
  try {
    const { states, start, end } = new Compiler(pattern).compile();
    return (text) => run(states, start, end, text);
  } catch (error) {
    if (error instanceof SyntaxError) return undefined;
    throw error;
  }
}

function run(states: readonly State[], start: number, end: number, text: string): boolean {
  let current = new Set<number>();
  enter(states, start, current);
  for (const character of text) {
    const code = character.codePointAt(0) ?? 0;
    const next = new Set<number>();
    for (const at of current) {
      const { test, to } = states[at];
      if (test?.(code)) for (const target of to) enter(states, target, next);
    }
    if (next.size === 0) return false;
    current = next;
  }
  return current.has(end);
}

function enter(states: readonly State[], first: number, into: Set<number>): void {
  const open = [first];
  for (let at = open.pop(); at !== undefined; at = open.pop()) {
    if (into.has(at)) continue;
    into.add(at);
    if (!states[at].test) open.push(...states[at].to);
  }
}

type Fragment = { start: number; end: number };

class Compiler {
  private readonly states: State[] = [];
  private readonly text: readonly string[];
  private at = 0;

  constructor(pattern: string) {
    this.text = [...pattern];
    if (this.text[0] === '^') this.at = 1;
    if (this.text[this.text.length - 1] === '$' && this.text[this.text.length - 2] !== '\\') {
      this.text = this.text.slice(0, -1);
    }
  }

  compile(): { states: readonly State[] } & Fragment {
    const whole = this.alternatives(0);
    if (this.at < this.text.length) throw new SyntaxError('unbalanced )');
    return { states: this.states, ...whole };
  }

  private state(test?: Test): number {
    if (this.states.length >= stateLimit) throw new SyntaxError('pattern too large');
    return this.states.push({ test, to: [] }) - 1;
  }

  private empty(): Fragment {
    const only = this.state();
    return { start: only, end: only };
  }

  private character(test: Test): Fragment {
    const start = this.state(test);
    const end = this.state();
    this.states[start].to.push(end);
    return { start, end };
  }

  private join(a: number, b: number): void {
    this.states[a].to.push(b);
  }

  private alternatives(depth: number): Fragment {
    if (depth > 50) throw new SyntaxError('nested too deep');
    const start = this.state();
    const end = this.state();
    for (;;) {
      const branch = this.sequence(depth);
      this.join(start, branch.start);
      this.join(branch.end, end);
      if (this.text[this.at] !== '|') return { start, end };
      this.at += 1;
    }
  }

  private sequence(depth: number): Fragment {
    const whole = this.empty();
    while (this.at < this.text.length && this.text[this.at] !== '|' && this.text[this.at] !== ')') {
      const from = this.at;
      const first = this.atom(depth);
      const part = this.quantified(first, from, depth);
      this.join(whole.end, part.start);
      whole.end = part.end;
    }
    return whole;
  }

  /** Reads a quantifier behind an atom that began at `from`; copies the atom by reading it again. */
  private quantified(first: Fragment, from: number, depth: number): Fragment {
    const [min, max] = this.quantifier();
    if (min === 1 && max === 1) return first;
    const after = this.at;
    const copy = () => {
      this.at = from;
      const again = this.atom(depth);
      this.at = after;
      return again;
    };
    const whole = this.empty();
    const append = (part: Fragment) => {
      this.join(whole.end, part.start);
      whole.end = part.end;
    };
    let unused: Fragment | undefined = first;
    const take = () => {
      const part = unused ?? copy();
      unused = undefined;
      return part;
    };
    for (let count = 0; count < min; count += 1) append(take());
    const end = this.state();
    if (max === Infinity) {
      const loop = take();
      const gate = this.state();
      this.join(whole.end, gate);
      this.join(gate, loop.start);
      this.join(loop.end, gate);
      this.join(gate, end);
      return { start: whole.start, end };
    }
    for (let count = min; count < max; count += 1) {
      this.join(whole.end, end);
      append(take());
    }
    this.join(whole.end, end);
    return { start: whole.start, end };
  }

  private quantifier(): [min: number, max: number] {
    const sign = this.text[this.at];
    let range: [number, number] = [1, 1];
    if (sign === '*' || sign === '+' || sign === '?') {
      this.at += 1;
      range = [sign === '+' ? 1 : 0, sign === '?' ? 1 : Infinity];
    } else if (sign === '{') {
      const close = this.text.indexOf('}', this.at);
      const match = /^\{(\d{1,3})(,(\d{0,3}))?\}$/.exec(this.text.slice(this.at, close + 1).join(''));
      if (!match) throw new SyntaxError('odd quantifier');
      this.at = close + 1;
      const min = Number(match[1]);
      const max = match[2] === undefined ? min : match[3] === '' ? Infinity : Number(match[3]);
      if (max < min) throw new SyntaxError('odd quantifier');
      range = [min, max];
    } else {
      return range;
    }
    const next = this.text[this.at];
    if (next === '?') this.at += 1; // a lazy quantifier matches the same whole texts
    if (['*', '+', '?', '{'].includes(this.text[this.at])) throw new SyntaxError('doubled quantifier');
    return range;
  }

  private atom(depth: number): Fragment {
    const character = this.text[this.at];
    this.at += 1;
    if (character === '(') {
      if (this.text[this.at] === '?') {
        if (this.text[this.at + 1] !== ':') throw new SyntaxError('look-around and flags are not understood');
        this.at += 2;
      }
      const inner = this.alternatives(depth + 1);
      if (this.text[this.at] !== ')') throw new SyntaxError('missing )');
      this.at += 1;
      return inner;
    }
    if (character === '[') return this.character(this.characterClass());
    if (character === '.') return this.character((code) => code !== 10 && code !== 13);
    if (character === '\\') return this.character(this.escape());
    if (['*', '+', '?', '{', '^', '$'].includes(character)) throw new SyntaxError(`odd ${character}`);
    const wanted = character.codePointAt(0);
    return this.character((code) => code === wanted);
  }

  private escape(): Test {
    const character = this.text[this.at];
    this.at += 1;
    if (character === undefined) throw new SyntaxError('ends in \\');
    const known = shorthand[character];
    if (known) return known;
    if (/[0-9A-Za-z]/.test(character)) throw new SyntaxError(`\\${character} is not understood`);
    const wanted = character.codePointAt(0);
    return (code) => code === wanted;
  }

  private characterClass(): Test {
    const isNegated = this.text[this.at] === '^';
    if (isNegated) this.at += 1;
    const tests: Test[] = [];
    for (let isFirst = true; this.text[this.at] !== ']' || isFirst; isFirst = false) {
      if (this.at >= this.text.length) throw new SyntaxError('missing ]');
      if (this.text[this.at] === '\\') {
        this.at += 1;
        tests.push(this.escape());
        continue;
      }
      const low = this.text[this.at].codePointAt(0) ?? 0;
      this.at += 1;
      if (this.text[this.at] === '-' && this.text[this.at + 1] !== ']' && this.at + 1 < this.text.length) {
        const high = this.text[this.at + 1].codePointAt(0) ?? 0;
        this.at += 2;
        tests.push((code) => code >= low && code <= high);
      } else {
        tests.push((code) => code === low);
      }
    }
    this.at += 1;
    return (code) => tests.some((test) => test(code)) !== isNegated;
  }
}

const isDigit: Test = (code) => code >= 48 && code <= 57;
const isWord: Test = (code) =>
  isDigit(code) || (code >= 65 && code <= 90) || code === 95 || (code >= 97 && code <= 122);
const isSpace: Test = (code) => code === 32 || (code >= 9 && code <= 13);

const shorthand: Readonly<Record<string, Test | undefined>> = {
  d: isDigit,
  D: (code) => !isDigit(code),
  w: isWord,
  W: (code) => !isWord(code),
  s: isSpace,
  S: (code) => !isSpace(code),
  n: (code) => code === 10,
  r: (code) => code === 13,
  t: (code) => code === 9,
};
