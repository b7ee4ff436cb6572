/**
 * FHIR XML to FHIR JSON, driven by the definitions. (The way out is xml-writer.ts.)
 *
 * Spec: https://hl7.org/fhir/R4/xml.html. Decimals keep their exact text (see base/json.ts). DOCTYPE declarations are refused, so no entity
 * is ever expanded but XML's own five.
 */
import { SaxesParser, type SaxesAttributeNS, type SaxesTagNS } from 'saxes';
import { EXACT, keepNumberText } from '../../base/exact-numbers.js';
import type { Resource } from '../../base/resource.js';
import type { Definitions } from '../definitions/definitions.js';
import type { Property, Shape, Shapes } from '../validation/shapes.js';
import { shapesOf } from './xml-shapes.js';

/** What is wrong with an XML text; `line` and `column` are 1-based. */
export interface XmlProblem {
  readonly message: string;
  readonly line: number;
  readonly column: number;
  /** FHIRPath of the element, as far as it is known. */
  readonly expression?: string;
}

/** Text that is not well-formed XML, or XML that FHIR does not allow. */
export class XmlError extends Error {
  override readonly name = 'XmlError';
  constructor(
    message: string,
    readonly line: number,
    readonly column: number,
    readonly expression?: string,
  ) {
    super(`${message} at line ${line}, column ${column}`);
  }
}

const fhirNamespace = 'http://hl7.org/fhir';
const xhtmlNamespace = 'http://www.w3.org/1999/xhtml';
const maxDepth = 256;
const numberForm = /^-?(?:0|[1-9]\d*)(?:\.\d+)?(?:[eE][+-]?\d+)?$/;
const numbers = new Set(['decimal', 'integer', 'unsignedInt', 'positiveInt']);

/**
 * The resource that `text` stands for.
 * @param problems takes what is against FHIR's rules but can be read over (unknown attributes, wrong order, text between elements); without
 *   it the first such problem is thrown. Elements that R4 does not know stay in the result, for the validator to name.
 * @throws XmlError when the text is not well-formed XML, no resource, or nested deeper than 256 elements.
 */
export function readXml(text: string, definitions: Definitions, problems?: XmlProblem[]): Resource {
  const reader = new XmlReader(text, shapesOf(definitions), problems);
  return reader.read();
}

type JsonObject = Record<string, unknown>;

/** An element that is open. */
interface Open {
  readonly object: JsonObject;
  readonly shape?: Shape;
  readonly path: string;
  /** Takes the finished element; undefined for elements that only wrap a resource. */
  readonly finish: (open: Open) => void;
  /** Where `value` of a primitive stood. */
  readonly value?: string;
  readonly property?: Property;
  /** The wrapper of a resource (`contained`, `resource`). */
  readonly isWrapper?: boolean;
  readonly counts: Map<string, number>;
  order: number;
}

class XmlReader {
  private readonly parser = new SaxesParser({ xmlns: true });
  private readonly open: Open[] = [];
  private root: JsonObject | undefined;
  /** Depth inside a narrative, and where its text begins. */
  private narrativeDepth = 0;
  private narrativeStart = 0;
  private tagStart = 0;

  constructor(
    private readonly text: string,
    private readonly shapes: Shapes,
    private readonly problems: XmlProblem[] | undefined,
  ) {}

  read(): Resource {
    const { parser } = this;
    parser.on('error', (error) => {
      throw this.failure(error.message.replace(/^\d+:\d+: /, ''));
    });
    parser.on('doctype', () => {
      throw this.failure('a DOCTYPE declaration is not allowed');
    });
    parser.on('opentagstart', () => {
      this.tagStart = this.text.lastIndexOf('<', parser.position - 1);
    });
    parser.on('opentag', (tag) => this.openTag(tag));
    parser.on('closetag', () => this.closeTag());
    parser.on('text', (text) => this.textNode(text));
    parser.on('cdata', (text) => this.textNode(text));
    parser.write(this.text.charCodeAt(0) === 0xfeff ? this.text.slice(1) : this.text).close();
    if (!this.root) throw this.failure('there is no element');
    return this.root as Resource;
  }

  private openTag(tag: SaxesTagNS): void {
    if (this.narrativeDepth > 0) {
      this.narrativeDepth += 1;
      return;
    }
    if (this.open.length >= maxDepth) throw this.failure(`nested deeper than ${maxDepth} elements`);
    const parent = this.open[this.open.length - 1];
    if (parent === undefined || parent.isWrapper) this.openResource(tag, parent);
    else this.openElement(tag, parent);
  }

  private openResource(tag: SaxesTagNS, wrapper: Open | undefined): void {
    if (tag.uri !== fhirNamespace)
      this.problem(`<${tag.name}> is in the namespace "${tag.uri}"; expected ${fhirNamespace}`);
    const shape = this.shapes.of(tag.local);
    if (!shape) throw this.failure(`<${tag.name}> is no R4 resource`);
    const object: JsonObject = { resourceType: tag.local };
    this.checkAttributes(tag, []);
    const finish = (open: Open): void => {
      if (wrapper) Object.assign(wrapper.object, open.object);
      else this.root = open.object;
    };
    this.push({ object, shape, path: wrapper?.path ?? tag.local, finish, counts: new Map(), order: -1 });
  }

  private openElement(tag: SaxesTagNS, parent: Open): void {
    const name = tag.local;
    const property = parent.shape?.properties.get(name);
    if (property?.type === 'xhtml') {
      this.openNarrative(tag, parent);
      return;
    }
    if (tag.uri !== fhirNamespace)
      this.problem(`<${tag.name}> is in the namespace "${tag.uri}"; expected ${fhirNamespace}`);
    const index = parent.counts.get(name) ?? 0;
    parent.counts.set(name, index + 1);
    const path = `${parent.path}.${property?.segment ?? name}${property?.isList ? `[${index}]` : ''}`;
    if (property) this.checkOrder(parent, property, path);
    const shape = property?.check ? this.shapes.of('Element') : property?.shape?.();
    const isPrimitive = property?.check !== undefined || (property === undefined && 'value' in tag.attributes);
    const allowed = isPrimitive ? ['id', 'value'] : shape?.type === 'Extension' ? ['id', 'url'] : ['id'];
    this.checkAttributes(tag, allowed, path);
    const object: JsonObject = {};
    for (const attribute of ['id', 'url']) {
      if (allowed.includes(attribute) && tag.attributes[attribute]) object[attribute] = tag.attributes[attribute].value;
    }
    this.push({
      object,
      shape,
      path,
      property,
      value: isPrimitive ? (tag.attributes.value as SaxesAttributeNS | undefined)?.value : undefined,
      isWrapper: property !== undefined && !property.check && !property.shape,
      finish: (open) =>
        isPrimitive ? addPrimitive(parent.object, name, open) : add(parent.object, name, open.object, property),
      counts: new Map(),
      order: -1,
    });
  }

  private openNarrative(tag: SaxesTagNS, parent: Open): void {
    if (tag.uri !== xhtmlNamespace)
      this.problem(`<${tag.name}> is in the namespace "${tag.uri}"; expected ${xhtmlNamespace}`);
    this.narrativeDepth = 1;
    this.narrativeStart = this.tagStart;
    const finish = (): void => {
      const text = this.text.slice(this.narrativeStart, this.parser.position);
      add(parent.object, tag.local, text, undefined);
    };
    this.push({ object: {}, path: parent.path, finish, counts: new Map(), order: -1 });
  }

  private closeTag(): void {
    if (this.narrativeDepth > 0) {
      this.narrativeDepth -= 1;
      if (this.narrativeDepth > 0) return;
    }
    const open = this.open.pop() as Open;
    open.finish(open);
  }

  private push(open: Open): void {
    this.open.push(open);
  }

  private textNode(text: string): void {
    if (this.narrativeDepth > 0 || this.open.length === 0 || !/\S/.test(text)) return;
    const open = this.open[this.open.length - 1];
    this.problem(`there is text between elements: ${JSON.stringify(text.trim().slice(0, 40))}`, open.path);
  }

  private checkOrder(parent: Open, property: Property, path: string): void {
    const order = orderOf(parent.shape as Shape, property);
    if (order < parent.order) this.problem(`${property.definedAt} is out of order`, path);
    parent.order = Math.max(parent.order, order);
  }

  private checkAttributes(tag: SaxesTagNS, allowed: readonly string[], path?: string): void {
    for (const [name, attribute] of Object.entries(tag.attributes)) {
      if (name === 'xmlns' || attribute.prefix === 'xmlns' || attribute.prefix === 'xsi') continue;
      if (!allowed.includes(name)) this.problem(`<${tag.name}> may not have the attribute "${name}"`, path);
      else if (attribute.value === '') this.problem(`the attribute "${name}" of <${tag.name}> is empty`, path);
    }
  }

  private problem(message: string, expression?: string): void {
    const { line, column } = this.parser;
    if (!this.problems) throw new XmlError(message, line, column + 1, expression);
    this.problems.push({ message, line, column: column + 1, expression });
  }

  private failure(message: string): XmlError {
    return new XmlError(message, this.parser.line, this.parser.column + 1);
  }
}

const orders = new WeakMap<Shape, Map<string, number>>();

/** Place of an element in the definition of its parent. */
function orderOf(shape: Shape, property: Property): number {
  let order = orders.get(shape);
  if (!order) {
    order = new Map();
    for (const { definedAt } of shape.properties.values()) if (!order.has(definedAt)) order.set(definedAt, order.size);
    orders.set(shape, order);
  }
  return order.get(property.definedAt) ?? 0;
}

/** Adds a value: to a list when the definition says so, or when a second one comes. */
function add(target: JsonObject, name: string, value: unknown, property: Property | undefined): void {
  const present = target[name];
  if (present === undefined) target[name] = property?.isList ? [value] : value;
  else if (Array.isArray(present)) present.push(value);
  else target[name] = [present, value];
}

function addPrimitive(target: JsonObject, name: string, open: Open): void {
  const { property, value } = open;
  const hasSibling = Object.keys(open.object).length > 0;
  const isList = property?.isList ?? false;
  if (!isList && !(name in target) && !(`_${name}` in target)) {
    if (value !== undefined) put(target, name, value, property);
    if (hasSibling || value === undefined) target[`_${name}`] = open.object;
    return;
  }
  const values = listAt(target, name);
  const siblings = hasSibling || value === undefined || `_${name}` in target ? listAt(target, `_${name}`) : undefined;
  const index = Math.max(values.length, siblings?.length ?? 0);
  if (value !== undefined) put(values, index, value, property);
  else values[index] = null;
  if (siblings && (hasSibling || value === undefined)) siblings[index] = open.object;
  if (siblings) for (let at = 0; at < index; at += 1) siblings[at] ??= null;
  for (let at = 0; at < index; at += 1) values[at] ??= null;
  if (values.every((item) => item === null)) delete target[name];
}

function listAt(target: JsonObject, name: string): unknown[] {
  const present = target[name];
  if (Array.isArray(present)) return present as unknown[];
  const list = present === undefined ? [] : [present];
  const exact = (target as { [EXACT]?: Record<string, string> })[EXACT]?.[name];
  if (exact !== undefined) keepNumberText(list, 0, exact);
  target[name] = list;
  return list;
}

function put(holder: object, key: string | number, text: string, property: Property | undefined): void {
  const target = holder as Record<string | number, unknown>;
  if (property?.type === 'boolean' && (text === 'true' || text === 'false')) target[key] = text === 'true';
  else if (property && numbers.has(property.type) && numberForm.test(text)) {
    target[key] = Number(text);
    keepNumberText(holder, key, text);
  } else target[key] = text;
}
