/**
 * A small strict reader of the XHTML in a narrative.
 *
 * Spec: https://hl7.org/fhir/R4/narrative.html#xhtml. Well-formed XML is demanded; named entities are XML's own five. One pass, no backtracking.
 */

/** An element or the text between elements. */
export interface XhtmlNode {
  /** Element name; undefined for text. */
  readonly name?: string;
  readonly attributes: ReadonlyMap<string, string>;
  readonly children: readonly XhtmlNode[];
  /** Of text: as written, entities not replaced. */
  readonly text?: string;
}

/** @returns the outermost element, or one sentence that says what is not well formed. */
export function parseXhtml(source: string): XhtmlNode | string {
  const reader = new Reader(source);
  try {
    return reader.document();
  } catch (error) {
    if (error instanceof Malformed) return error.message;
    throw error;
  }
}

class Malformed extends Error {}

const nameForm = /[A-Za-z_][\w:.-]*/y;
const space = /\s*/y;
const entity = /&(?:#\d{1,7}|#[xX][0-9A-Fa-f]{1,6}|amp|lt|gt|quot|apos);/y;
const noAttributes: ReadonlyMap<string, string> = new Map();
const maxDepth = 200;

class Reader {
  private at = 0;

  constructor(private readonly source: string) {}

  document(): XhtmlNode {
    this.misc();
    const root = this.element(0);
    this.misc();
    if (this.at < this.source.length) throw this.problem('there is something after the outermost element');
    return root;
  }

  /** White space, comments and processing instructions around the root. */
  private misc(): void {
    for (;;) {
      this.skip(space);
      if (this.source.startsWith('<!--', this.at)) this.comment();
      else if (this.source.startsWith('<?', this.at)) this.until('?>');
      else return;
    }
  }

  private element(depth: number): XhtmlNode {
    if (depth > maxDepth) throw this.problem(`elements are nested deeper than ${maxDepth}`);
    if (this.source[this.at] !== '<') throw this.problem('an element is expected');
    this.at += 1;
    const name = this.name();
    const attributes = this.attributes();
    if (this.source.startsWith('/>', this.at)) {
      this.at += 2;
      return { name, attributes, children: [] };
    }
    if (this.source[this.at] !== '>') throw this.problem(`<${name}> is not closed by ">"`);
    this.at += 1;
    return { name, attributes, children: this.content(name, depth) };
  }

  private content(name: string, depth: number): XhtmlNode[] {
    const children: XhtmlNode[] = [];
    for (;;) {
      const next = this.source.indexOf('<', this.at);
      if (next < 0) throw this.problem(`<${name}> has no end tag`);
      if (next > this.at) children.push(this.text(next));
      if (this.source.startsWith('</', this.at)) {
        this.at += 2;
        const end = this.name();
        this.skip(space);
        if (end !== name || this.source[this.at] !== '>')
          throw this.problem(`</${end}> found where </${name}> is expected`);
        this.at += 1;
        return children;
      }
      if (this.source.startsWith('<!--', this.at)) this.comment();
      else if (this.source.startsWith('<![CDATA[', this.at)) this.until(']]>');
      else if (this.source.startsWith('<?', this.at) || this.source.startsWith('<!', this.at))
        throw this.problem('declarations and processing instructions are not allowed');
      else children.push(this.element(depth + 1));
    }
  }

  private text(end: number): XhtmlNode {
    const text = this.source.slice(this.at, end);
    this.entities(this.at, end);
    this.at = end;
    return { attributes: noAttributes, children: [], text };
  }

  private entities(start: number, end: number): void {
    for (let at = this.source.indexOf('&', start); at >= 0 && at < end; at = this.source.indexOf('&', at + 1)) {
      entity.lastIndex = at;
      if (!entity.test(this.source))
        throw this.problem('"&" begins no entity that XML knows; expected one such as &amp; or &#160;');
    }
  }

  private attributes(): ReadonlyMap<string, string> {
    let attributes: Map<string, string> | undefined;
    for (;;) {
      const before = this.at;
      this.skip(space);
      const next = this.source[this.at];
      if (next === '>' || next === '/' || next === undefined) return attributes ?? noAttributes;
      if (this.at === before) throw this.problem('white space is expected before an attribute');
      const name = this.name();
      this.skip(space);
      if (this.source[this.at] !== '=') throw this.problem(`attribute ${name} has no value`);
      this.at += 1;
      this.skip(space);
      const quote = this.source[this.at];
      if (quote !== '"' && quote !== "'") throw this.problem(`the value of attribute ${name} has no quotes`);
      const end = this.source.indexOf(quote, this.at + 1);
      if (end < 0) throw this.problem(`the value of attribute ${name} does not end`);
      const value = this.source.slice(this.at + 1, end);
      if (value.includes('<')) throw this.problem(`the value of attribute ${name} holds "<"`);
      this.entities(this.at + 1, end);
      attributes ??= new Map();
      if (attributes.has(name)) throw this.problem(`attribute ${name} stands twice`);
      attributes.set(name, value);
      this.at = end + 1;
    }
  }

  private name(): string {
    nameForm.lastIndex = this.at;
    const match = nameForm.exec(this.source);
    if (!match) throw this.problem('a name is expected');
    this.at += match[0].length;
    return match[0];
  }

  private comment(): void {
    this.at += 4;
    this.until('-->');
  }

  private until(mark: string): void {
    const end = this.source.indexOf(mark, this.at);
    if (end < 0) throw this.problem(`"${mark}" is missing`);
    this.at = end + mark.length;
  }

  private skip(form: RegExp): void {
    form.lastIndex = this.at;
    form.test(this.source);
    this.at = form.lastIndex;
  }

  private problem(message: string): Malformed {
    const before = this.source.slice(0, this.at);
    const line = before.split('\n').length;
    return new Malformed(`${message} (line ${line}, column ${this.at - before.lastIndexOf('\n')} of the narrative)`);
  }
}
