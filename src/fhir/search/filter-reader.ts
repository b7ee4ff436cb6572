/** Reads the words of a `_filter` expression. Spec: https://hl7.org/fhir/R4/search_filter.html */
import type { FhirError } from '../../base/outcome.js';
import { invalid } from './problems.js';

export class FilterReader {
  position = 0;

  constructor(private readonly text: string) {}

  private operands = 0;

  /** Counts one more operand. @returns how many there were so far */
  count(): number {
    this.operands += 1;
    return this.operands;
  }

  isAtEnd(): boolean {
    this.skipSpace();
    return this.position >= this.text.length;
  }

  peek(character: string): boolean {
    return this.text[this.position] === character;
  }

  /** Takes `character` if it is next. */
  take(character: string): boolean {
    this.skipSpace();
    if (!this.peek(character)) return false;
    this.position += 1;
    return true;
  }

  /** Takes one of `words` if it is next and ends there. */
  takeWord(...words: readonly string[]): string | undefined {
    this.skipSpace();
    const next = /^[a-z]+(?=[\s(]|$)/.exec(this.text.slice(this.position))?.[0];
    if (next === undefined || !words.includes(next)) return undefined;
    this.position += next.length;
    return next;
  }

  /** A parameter name, with `:` and what follows. @throws FhirError 400 */
  name(): string {
    this.skipSpace();
    const name = /^[A-Za-z_][A-Za-z0-9_:-]*/.exec(this.text.slice(this.position))?.[0];
    if (name === undefined) throw this.unexpected('a parameter');
    this.position += name.length;
    return name;
  }

  /** Text in quotes (`\"` and `\\` resolved), or everything up to a space or a closing bracket. @throws FhirError 400 */
  value(): string {
    this.skipSpace();
    const rest = this.text.slice(this.position);
    const quoted = /^"((?:[^"\\]|\\.)*)"/.exec(rest);
    if (quoted) {
      this.position += quoted[0].length;
      return quoted[1].replace(/\\(["\\])/g, '$1');
    }
    const plain = /^[^\s()[\]"]+/.exec(rest)?.[0];
    if (plain === undefined) throw this.unexpected('a value');
    this.position += plain.length;
    return plain;
  }

  unexpected(expected: string): FhirError {
    const found = this.text.slice(this.position, this.position + 20);
    return invalid(`Search parameter _filter: found '${found}' at position ${this.position + 1}, expected ${expected}`);
  }

  private skipSpace(): void {
    while (/\s/.test(this.text[this.position] ?? '')) this.position += 1;
  }
}
