/** A small tree of XML nodes, for patches: read from text, written back with the namespace declarations that it needs. */
import { SaxesParser } from 'saxes';

export interface XmlElement {
  readonly kind: 'element';
  readonly prefix: string;
  readonly local: string;
  readonly uri: string;
  /** Without namespace declarations. */
  readonly attributes: XmlAttribute[];
  /** Declared at this element: prefix (empty: the default one) -> URI. */
  readonly namespaces: Map<string, string>;
  readonly children: XmlNode[];
  /** Text as it was read, of narratives only: given out to the letter as long as nothing in it changes. */
  source?: string;
}

export interface XmlAttribute {
  readonly prefix: string;
  readonly local: string;
  readonly uri: string;
  value: string;
}

export type XmlNode =
  | XmlElement
  | { readonly kind: 'text'; readonly text: string }
  | { readonly kind: 'comment'; readonly text: string }
  | { readonly kind: 'instruction'; readonly target: string; readonly text: string };

/** Text that is no XML; `line` and `column` are 1-based. */
export class XmlTreeError extends Error {
  override readonly name = 'XmlTreeError';
}

const xhtmlNamespace = 'http://www.w3.org/1999/xhtml';
const maxDepth = 256;

/**
 * The document of `text`: a node without a name that holds the root element, and comments and instructions beside it.
 * @throws XmlTreeError when the text is not well-formed, declares a DOCTYPE, or is nested deeper than 256 elements.
 */
export function readXmlTree(text: string): XmlElement {
  const parser = new SaxesParser({ xmlns: true });
  const document = emptyElement();
  const open: XmlElement[] = [document];
  const starts: number[] = [];
  let tagStart = 0;
  const fail = (message: string) => new XmlTreeError(`${message} at line ${parser.line}, column ${parser.column + 1}`);
  const append = (node: XmlNode) => void open[open.length - 1].children.push(node);
  parser.on('error', (error) => {
    throw fail(error.message.replace(/^\d+:\d+: /, ''));
  });
  parser.on('doctype', () => {
    throw fail('a DOCTYPE declaration is not allowed');
  });
  parser.on('opentagstart', () => (tagStart = text.lastIndexOf('<', parser.position - 1)));
  parser.on('opentag', ({ prefix, local, uri, attributes, ns }) => {
    if (open.length > maxDepth) throw fail(`nested deeper than ${maxDepth} elements`);
    const element: XmlElement = {
      ...emptyElement(),
      prefix,
      local,
      uri,
      namespaces: new Map(Object.entries(ns)),
      attributes: Object.values(attributes).filter(({ name, prefix: own }) => name !== 'xmlns' && own !== 'xmlns'),
    };
    append(element);
    open.push(element);
    starts.push(tagStart);
  });
  parser.on('closetag', () => {
    const element = open.pop() as XmlElement;
    const start = starts.pop() as number;
    const isNarrative = element.uri === xhtmlNamespace && open[open.length - 1].uri !== xhtmlNamespace;
    if (isNarrative) element.source = text.slice(start, parser.position);
  });
  parser.on('text', (content) => open.length > 1 && append({ kind: 'text', text: content }));
  parser.on('cdata', (content) => append({ kind: 'text', text: content }));
  parser.on('comment', (content) => append({ kind: 'comment', text: content }));
  parser.on('processinginstruction', ({ target, body }) => append({ kind: 'instruction', target, text: body }));
  parser.write(text.charCodeAt(0) === 0xfeff ? text.slice(1) : text).close();
  return document;
}

function emptyElement(): XmlElement {
  return { kind: 'element', prefix: '', local: '', uri: '', attributes: [], namespaces: new Map(), children: [] };
}

/** The text of a document or element. */
export function writeXmlTree(node: XmlNode, scope: ReadonlyMap<string, string> = new Map()): string {
  if (node.kind === 'text') return escapedText(node.text);
  if (node.kind === 'comment') return `<!--${node.text}-->`;
  if (node.kind === 'instruction') return `<?${node.target} ${node.text}?>`;
  if (node.local === '') return node.children.map((child) => writeXmlTree(child, scope)).join('');
  const inner = new Map(scope);
  let declared = '';
  const declare = (prefix: string, uri: string) => {
    if ((inner.get(prefix) ?? '') === uri || prefix === 'xml') return;
    inner.set(prefix, uri);
    declared += ` xmlns${prefix === '' ? '' : `:${prefix}`}="${escapedAttribute(uri)}"`;
  };
  for (const [prefix, uri] of node.namespaces) if (prefix !== '') declare(prefix, uri);
  declare(node.prefix, node.uri);
  for (const { prefix, uri } of node.attributes) if (prefix !== '') declare(prefix, uri);
  if (node.source !== undefined && declared !== '' && !node.source.includes('xmlns')) node.source = undefined;
  if (node.source !== undefined) return node.source;
  const name = nameOf(node);
  const attributes = node.attributes.map((one) => ` ${nameOf(one)}="${escapedAttribute(one.value)}"`).join('');
  const content = node.children.map((child) => writeXmlTree(child, inner)).join('');
  return content === ''
    ? `<${name}${declared}${attributes}/>`
    : `<${name}${declared}${attributes}>${content}</${name}>`;
}

function nameOf({ prefix, local }: { readonly prefix: string; readonly local: string }): string {
  return prefix === '' ? local : `${prefix}:${local}`;
}

function escapedText(text: string): string {
  return text.replace(/&/g, '&amp;').replace(/</g, '&lt;').replace(/>/g, '&gt;').replace(/\r/g, '&#13;');
}

function escapedAttribute(text: string): string {
  return escapedText(text).replace(/"/g, '&quot;').replace(/\n/g, '&#10;').replace(/\t/g, '&#9;');
}
