/** Regular expressions as trees, read from a source that RegExp has accepted. */

/** A set of characters, exact for ASCII. */
export interface CharSet {
  /** Source of an expression that matches one character of the set. */
  readonly source: string;
  /** 1 at each ASCII code of the set. */
  readonly ascii: Uint8Array;
  /** It may hold characters beyond ASCII. */
  readonly wide: boolean;
}

export type RegexNode =
  | { readonly kind: 'set'; readonly set: CharSet }
  | { readonly kind: 'sequence'; readonly parts: readonly RegexNode[] }
  | { readonly kind: 'choice'; readonly parts: readonly RegexNode[] }
  /** `most` is Infinity for `*` and `+`. */
  | { readonly kind: 'repeat'; readonly body: RegexNode; readonly least: number; readonly most: number }
  | { readonly kind: 'start' | 'end' | 'boundary' | 'no-boundary' }
  /** A lookaround. */
  | { readonly kind: 'look'; readonly body: RegexNode }
  /** A back reference: no regular expression in the strict sense. */
  | { readonly kind: 'reference' };

const quantifier = /[*+?]\??|\{(\d+)(?:(,)(\d*))?\}\??/y;
const look = /\(\?<?[=!]/y;
const open = /\((?:\?:|\?<[A-Za-z_]\w*>)?/y;
const escape = /\\(?:u\{[0-9a-fA-F]+\}|u[0-9a-fA-F]{4}|x[0-9a-fA-F]{2}|c[A-Za-z]|[pP]\{[^}]*\}|[^])/y;
const widest = ['\u00e9', '\u0416', '\u4e2d', '\ud83d\ude00', '\u00a0', '\u2028', '\u0130'];

/** @param unicode the source was accepted with the flag `u`. @returns undefined for what this reader does not know. */
export function parseRegex(source: string, unicode: boolean): RegexNode | undefined {
  try {
    return new Reader(source, unicode ? 'su' : 's').whole();
  } catch {
    return undefined;
  }
}

class Reader {
  private at = 0;

  constructor(
    private readonly source: string,
    private readonly flags: string,
  ) {}

  whole(): RegexNode {
    const node = this.choice();
    if (this.at < this.source.length) throw new Error('unread');
    return node;
  }

  private choice(): RegexNode {
    const parts = [this.sequence()];
    while (this.source[this.at] === '|') {
      this.at += 1;
      parts.push(this.sequence());
    }
    return parts.length === 1 ? parts[0] : { kind: 'choice', parts };
  }

  private sequence(): RegexNode {
    const parts: RegexNode[] = [];
    while (this.at < this.source.length && this.source[this.at] !== '|' && this.source[this.at] !== ')') {
      parts.push(this.repeated(this.atom()));
    }
    return parts.length === 1 ? parts[0] : { kind: 'sequence', parts };
  }

  private repeated(body: RegexNode): RegexNode {
    const hit = this.take(quantifier);
    if (!hit) return body;
    const [text, least, comma, most] = hit;
    if (least !== undefined) {
      const upper = comma === undefined ? Number(least) : most ? Number(most) : Infinity;
      return { kind: 'repeat', body, least: Number(least), most: upper };
    }
    return { kind: 'repeat', body, least: text[0] === '+' ? 1 : 0, most: text[0] === '?' ? 1 : Infinity };
  }

  private atom(): RegexNode {
    const char = this.source[this.at];
    if (char === '^' || char === '$') {
      this.at += 1;
      return { kind: char === '^' ? 'start' : 'end' };
    }
    if (this.take(look)) return { kind: 'look', body: this.closed() };
    if (this.take(open)) return this.closed();
    if (char === '[') return this.bracket();
    if (char === '\\') return this.escaped();
    const [text] = this.take(this.flags.includes('u') ? /[^]/uy : /[^]/y)!;
    return this.set(text === '.' ? '.' : text.replace(/[/{}\][*+?()|^$]/, '\\$&'));
  }

  private closed(): RegexNode {
    const body = this.choice();
    if (this.source[this.at] !== ')') throw new Error('not closed');
    this.at += 1;
    return body;
  }

  private bracket(): RegexNode {
    const start = this.at;
    this.at += this.source[start + 1] === '^' ? 2 : 1;
    while (this.source[this.at] !== ']') {
      if (this.at >= this.source.length) throw new Error('not closed');
      this.at += this.source[this.at] === '\\' ? 2 : 1;
    }
    this.at += 1;
    return this.set(this.source.slice(start, this.at));
  }

  private escaped(): RegexNode {
    const text = this.take(escape)![0];
    if (text === '\\b') return { kind: 'boundary' };
    if (text === '\\B') return { kind: 'no-boundary' };
    if (/^\\[1-9k]/.test(text)) return { kind: 'reference' };
    return this.set(text);
  }

  private set(source: string): RegexNode {
    const one = new RegExp(`^(?:${source})$`, this.flags);
    const ascii = Uint8Array.from({ length: 128 }, (_, code) => (one.test(String.fromCharCode(code)) ? 1 : 0));
    // Sets told by ranges or categories beyond ASCII may miss every sample: count those as wide too.
    const wide = /[^\0-\x7f]|\\[uxpP]/.test(source) || widest.some((char) => one.test(char));
    return { kind: 'set', set: { source, ascii, wide } };
  }

  private take(pattern: RegExp): RegExpExecArray | null {
    pattern.lastIndex = this.at;
    const hit = pattern.exec(this.source);
    if (hit) this.at += hit[0].length;
    return hit;
  }
}
