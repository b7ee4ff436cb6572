/** FHIRPath tokens to a syntax tree, by precedence climbing. Spec: https://hl7.org/fhirpath/N1/#operator-precedence */
import { FhirPathError } from './errors.js';
import { tokenize, type Token } from './lexer.js';
import type { BinaryOperator, Expression, TypeSpecifier } from './syntax.js';

/** Binding strength of the infix operators: the higher, the tighter. */
const strengths: Readonly<Record<string, number>> = {
  implies: 1,
  or: 2,
  xor: 2,
  and: 3,
  in: 4,
  contains: 4,
  '=': 5,
  '~': 5,
  '!=': 5,
  '!~': 5,
  // Looser than | and <, against the table of N1: the official suite (testPrecedence3, 4) and the HL7 validator read it so.
  is: 5.5,
  as: 5.5,
  '<': 6,
  '>': 6,
  '<=': 6,
  '>=': 6,
  '|': 7,
  '+': 9,
  '-': 9,
  '&': 9,
  '*': 10,
  '/': 10,
  div: 10,
  mod: 10,
};
const polarityStrength = 11;
const calendarUnit = /^(?:year|month|week|day|hour|minute|second|millisecond)s?$/;
const reserved = new Set(['and', 'or', 'xor', 'implies', 'div', 'mod', 'true', 'false']);
const deepestNesting = 200;

/** @throws FhirPathError `syntax`, with the offset, when `text` is no expression or nests deeper than 200 levels. */
export function parseFhirPath(text: string): Expression {
  return new Parser(tokenize(text)).whole();
}

class Parser {
  private next = 0;
  private depth = 0;

  constructor(private readonly tokens: readonly Token[]) {}

  whole(): Expression {
    const expression = this.expression(0);
    if (this.peek().kind !== 'end') throw this.unexpected();
    return expression;
  }

  private expression(least: number): Expression {
    this.depth += 1;
    if (this.depth > deepestNesting) throw new FhirPathError('syntax', 'nested too deeply', this.peek().at);
    let left = this.prefix();
    for (;;) {
      const token = this.peek();
      const strength = token.kind === 'symbol' || token.kind === 'identifier' ? strengths[token.text] : undefined;
      if (strength === undefined || strength <= least) break;
      this.next += 1;
      if (token.text === 'is' || token.text === 'as') {
        left = { kind: 'type', operator: token.text, operand: left, type: this.typeSpecifier(), at: token.at };
      } else {
        const operator = token.text as BinaryOperator;
        left = { kind: 'binary', operator, left, right: this.expression(strength), at: token.at };
      }
    }
    this.depth -= 1;
    return left;
  }

  private prefix(): Expression {
    const token = this.peek();
    if (token.kind === 'symbol' && (token.text === '+' || token.text === '-')) {
      this.next += 1;
      return { kind: 'polarity', sign: token.text, operand: this.expression(polarityStrength), at: token.at };
    }
    return this.postfix(this.term());
  }

  private postfix(start: Expression): Expression {
    let target = start;
    for (;;) {
      const at = this.peek().at;
      if (this.take('.')) {
        target = this.invocation(target);
      } else if (this.take('[')) {
        const index = this.expression(0);
        this.expect(']');
        target = { kind: 'indexer', target, index, at };
      } else {
        return target;
      }
    }
  }

  private term(): Expression {
    const token = this.peek();
    const { at, text } = token;
    if (token.kind === 'identifier' || token.kind === 'quoted-identifier' || token.kind === 'special') {
      return this.invocation(undefined);
    }
    if (token.kind === 'end') throw this.unexpected();
    this.next += 1;
    switch (token.kind) {
      case 'string':
        return { kind: 'string', value: text, at };
      case 'number':
        return this.numberOrQuantity(text, at);
      case 'date':
      case 'dateTime':
      case 'time':
        return { kind: 'temporal', type: token.kind, text, at };
      case 'variable':
        return { kind: 'variable', name: text, at };
      case 'symbol':
        if (text === '(') {
          const inner = this.expression(0);
          this.expect(')');
          return inner;
        }
        if (text === '{') {
          this.expect('}');
          return { kind: 'empty', at };
        }
    }
    this.next -= 1;
    throw this.unexpected();
  }

  private numberOrQuantity(text: string, at: number): Expression {
    const unit = this.peek();
    const ucum = unit.kind === 'string';
    if (!ucum && !(unit.kind === 'identifier' && calendarUnit.test(unit.text))) return { kind: 'number', text, at };
    this.next += 1;
    return { kind: 'quantity', text, unit: unit.text, ucum, at };
  }

  private invocation(target: Expression | undefined): Expression {
    const token = this.peek();
    const { at, text: name } = token;
    this.next += 1;
    if (token.kind === 'special') {
      if (target) throw new FhirPathError('syntax', `$${name} cannot follow a point`, at);
      return { kind: name as 'this' | 'index' | 'total', at };
    }
    if (token.kind !== 'identifier' && token.kind !== 'quoted-identifier') {
      this.next -= 1;
      throw this.unexpected();
    }
    if (token.kind === 'identifier' && reserved.has(name)) {
      if (!target && (name === 'true' || name === 'false')) return { kind: 'boolean', value: name === 'true', at };
      throw new FhirPathError('syntax', `unexpected ${name}`, at);
    }
    if (!this.take('(')) return { kind: 'member', target, name, at };
    const args: Expression[] = [];
    if (!this.take(')')) {
      do args.push(this.expression(0));
      while (this.take(','));
      this.expect(')');
    }
    return { kind: 'call', target, name, args, at };
  }

  private typeSpecifier(): TypeSpecifier {
    const first = this.identifier();
    return this.take('.') ? { namespace: first, name: this.identifier() } : { name: first };
  }

  private identifier(): string {
    const token = this.peek();
    if (token.kind !== 'identifier' && token.kind !== 'quoted-identifier') throw this.unexpected();
    this.next += 1;
    return token.text;
  }

  private peek(): Token {
    return this.tokens[this.next];
  }

  private take(symbol: string): boolean {
    const token = this.peek();
    if (token.kind !== 'symbol' || token.text !== symbol) return false;
    this.next += 1;
    return true;
  }

  private expect(symbol: string): void {
    if (!this.take(symbol)) throw this.unexpected(`expected ${symbol}, `);
  }

  private unexpected(before = ''): FhirPathError {
    const token = this.peek();
    const what = token.kind === 'end' ? 'the end of the expression' : JSON.stringify(token.text);
    return new FhirPathError('syntax', `${before}unexpected ${what}`, token.at);
  }
}
