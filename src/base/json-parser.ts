/** JSON text to values in one pass: exact numbers are kept, duplicate keys and half surrogate pairs refused, positions named. Spec: RFC 8259 */
import { keepNumberText } from './exact-numbers.js';

export type JsonValue = null | boolean | number | string | JsonValue[] | { [key: string]: JsonValue };

/** Text that is not JSON, or JSON that FHIR does not allow. `line` and `column` are 1-based. */
export class JsonError extends Error {
  override readonly name = 'JsonError';
  constructor(
    message: string,
    readonly kind: 'syntax' | 'duplicate-key' | 'depth',
    readonly line: number,
    readonly column: number,
  ) {
    super(`${message} at line ${line}, column ${column}`);
  }
}

/** Nesting that the deepest real resources stay far below. */
const maxDepth = 256;

/** One pass over the text; `position` is the next character. */
export class JsonParser {
  private position = 0;

  constructor(private readonly text: string) {
    if (text.charCodeAt(0) === 0xfeff) this.position = 1;
  }

  /** @throws JsonError when anything but white space is left. */
  end(): void {
    this.skipSpace();
    if (this.position < this.text.length) throw this.unexpected('the end of the text');
  }

  value(depth: number): JsonValue {
    const code = this.skipSpace();
    if (isNumberStart(code)) return this.number({}, '');
    switch (code) {
      case 0x22:
        return this.string();
      case 0x7b:
        return this.object(depth);
      case 0x5b:
        return this.array(depth);
      case 0x74:
        return this.word('true', true);
      case 0x66:
        return this.word('false', false);
      case 0x6e:
        return this.word('null', null);
      default:
        throw this.unexpected('a value');
    }
  }

  /** The outermost value; yields after each element of an array directly inside an outermost object. */
  *inSteps(): Generator<void, JsonValue> {
    if (this.skipSpace() !== 0x7b) return this.value(0);
    const object: Record<string, JsonValue> = {};
    if (this.opens(0, 0x7d)) return object;
    do {
      const key = this.memberName(object);
      if (this.skipSpace() === 0x5b) {
        const array: JsonValue[] = [];
        object[key] = array;
        if (this.opens(1, 0x5d)) continue;
        do {
          this.element(array, 1);
          yield;
        } while (this.goesOn(0x5d));
      } else {
        this.member(object, key, 0);
      }
    } while (this.goesOn(0x7d));
    return object;
  }

  private object(depth: number): JsonValue {
    const object: Record<string, JsonValue> = {};
    if (this.opens(depth, 0x7d)) return object;
    do {
      this.member(object, this.memberName(object), depth);
    } while (this.goesOn(0x7d));
    return object;
  }

  private array(depth: number): JsonValue {
    const array: JsonValue[] = [];
    if (this.opens(depth, 0x5d)) return array;
    do {
      this.element(array, depth);
    } while (this.goesOn(0x5d));
    return array;
  }

  private member(object: Record<string, JsonValue>, key: string, depth: number): void {
    const code = this.skipSpace();
    const value = isNumberStart(code) ? this.number(object, key) : this.value(depth + 1);
    if (key === '__proto__')
      Object.defineProperty(object, key, { value, enumerable: true, configurable: true, writable: true });
    else object[key] = value;
  }

  private element(array: JsonValue[], depth: number): void {
    const code = this.skipSpace();
    array.push(isNumberStart(code) ? this.number(array, array.length) : this.value(depth + 1));
  }

  /** Steps over the opening bracket; true when `close` follows at once. */
  private opens(depth: number, close: number): boolean {
    if (depth >= maxDepth) throw this.problem(`nested deeper than ${maxDepth} levels`, 'depth', this.position);
    this.position += 1;
    if (this.skipSpace() !== close) return false;
    this.position += 1;
    return true;
  }

  /** Steps over a comma (true) or over `close` (false). */
  private goesOn(close: number): boolean {
    const code = this.skipSpace();
    if (code !== 0x2c && code !== close) throw this.unexpected(`"," or "${String.fromCharCode(close)}"`);
    this.position += 1;
    return code === 0x2c;
  }

  private memberName(object: object): string {
    if (this.skipSpace() !== 0x22) throw this.unexpected('a member name in quotes');
    const start = this.position;
    const key = this.string();
    if (key in object && Object.hasOwn(object, key)) {
      throw this.problem(`the member "${key.slice(0, 64)}" stands twice in one object`, 'duplicate-key', start);
    }
    if (this.skipSpace() !== 0x3a) throw this.unexpected('":"');
    this.position += 1;
    return key;
  }

  private string(): string {
    const { text } = this;
    const start = this.position + 1;
    for (let at = start; ; at += 1) {
      const code = text.charCodeAt(at);
      if (code === 0x22) {
        this.position = at + 1;
        return text.slice(start, at);
      }
      if (code === 0x5c) return this.escapedString(start);
      if (code < 0x20 || Number.isNaN(code)) {
        this.position = at;
        throw Number.isNaN(code)
          ? this.unexpected('the end of a string')
          : this.problem('a control character stands in a string', 'syntax', at);
      }
    }
  }

  /** A string with escapes: its end is looked for here, its content is JSON.parse's. */
  private escapedString(start: number): string {
    const { text } = this;
    let at = start;
    for (let code = text.charCodeAt(at); code !== 0x22; code = text.charCodeAt(at)) {
      if (Number.isNaN(code)) {
        this.position = at;
        throw this.unexpected('the end of a string');
      }
      at += code === 0x5c ? 2 : 1;
    }
    this.position = at + 1;
    let value: string;
    try {
      value = JSON.parse(text.slice(start - 1, at + 1)) as string;
    } catch {
      throw this.problem(
        'a string holds a control character or an escape that JSON does not know',
        'syntax',
        start - 1,
      );
    }
    // UTF-8 has no half of a surrogate pair: what is stored and hashed would not be what came. Spec: RFC 8259 section 8.2
    if (loneSurrogate.test(value)) throw this.problem('a string holds half of a surrogate pair', 'syntax', start - 1);
    return value;
  }

  private number(holder: object, key: string | number): number {
    numberForm.lastIndex = this.position;
    const match = numberForm.exec(this.text);
    if (match === null) throw this.unexpected('a number');
    const text = match[0];
    const after = this.text.charCodeAt(this.position + text.length);
    if (isNumberStart(after) || after === 0x2e)
      throw this.problem(`"${text}" goes on as no JSON number does`, 'syntax', this.position);
    this.position += text.length;
    const value = Number(text);
    if (!Number.isFinite(value))
      throw this.problem('a number is larger than any that can be kept', 'syntax', this.position);
    keepNumberText(holder, key, text);
    return value;
  }

  private word<T extends JsonValue>(word: string, value: T): T {
    if (!this.text.startsWith(word, this.position)) throw this.unexpected('a value');
    this.position += word.length;
    return value;
  }

  /** Steps over white space. @returns the code of the next character, NaN at the end. */
  private skipSpace(): number {
    for (;;) {
      const code = this.text.charCodeAt(this.position);
      if (code !== 0x20 && code !== 0x0a && code !== 0x0d && code !== 0x09) return code;
      this.position += 1;
    }
  }

  private unexpected(expected: string): JsonError {
    const found = this.position < this.text.length ? `"${this.text.charAt(this.position)}"` : 'the end of the text';
    return this.problem(`found ${found} where ${expected} was expected`, 'syntax', this.position);
  }

  private problem(message: string, kind: JsonError['kind'], at: number): JsonError {
    let line = 1;
    let lineStart = 0;
    for (let next = this.text.indexOf('\n'); next !== -1 && next < at; next = this.text.indexOf('\n', next + 1)) {
      line += 1;
      lineStart = next + 1;
    }
    return new JsonError(message, kind, line, at - lineStart + 1);
  }
}

const loneSurrogate = /\p{Surrogate}/u;
const numberForm = /-?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?(?:[eE][+-]?[0-9]+)?/y;

function isNumberStart(code: number): boolean {
  return code === 0x2d || (code >= 0x30 && code <= 0x39);
}
