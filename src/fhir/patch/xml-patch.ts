/**
 * XML Patch, applied to the XML form of a resource.
 *
 * Spec: RFC 5261; https://hl7.org/fhir/R4/http.html#patch. The root of a patch may have any name; `ws` of a removal changes nothing, for
 * FHIR knows no white space between elements. Elements may be added in any order: JSON, in which resources are kept, has none.
 */
import { fhirError } from '../../base/outcome.js';
import type { Resource } from '../../base/resource.js';
import type { Definitions } from '../definitions/definitions.js';
import { readXml, XmlError, type XmlProblem } from '../format/xml.js';
import { writeXml } from '../format/xml-writer.js';
import { select, splitName, type Scope, type Selected } from './xml-selector.js';
import { readXmlTree, writeXmlTree, XmlTreeError, type XmlElement, type XmlNode } from './xml-tree.js';

/**
 * A changed copy of `document`.
 * @param patch the text of the patch.
 * @throws FhirError 400 `structure` when `patch` is none; 422 `business-rule` when an operation does not apply.
 */
export function applyXmlPatch(definitions: Definitions, document: Resource, patch: string): Resource {
  const patched = patchXml(writeXml(document, definitions), patch);
  const problems: XmlProblem[] = [];
  try {
    const changed = readXml(patched, definitions, problems);
    const problem = problems.find(({ message }) => !message.endsWith('is out of order'));
    if (problem === undefined) return changed;
    throw notFhir(problem.message, problem.expression);
  } catch (error) {
    throw error instanceof XmlError ? notFhir(error.message, error.expression) : error;
  }
}

/**
 * The XML text after all operations of a patch.
 * @throws FhirError as `applyXmlPatch`.
 */
export function patchXml(document: string, patch: string): string {
  const root = rootOf(treeOf(patch));
  const operations = root?.children.filter((node) => node.kind === 'element') ?? [];
  if (root === undefined || operations.length === 0) {
    throw fhirError(
      400,
      'structure',
      'The patch has no operations; expected add, replace or remove in a diff element.',
    );
  }
  const tree = treeOf(document);
  if (rootOf(tree) === undefined) throw fhirError(422, 'business-rule', 'There is nothing to patch.');
  operations.forEach((operation, index) => applyOne(tree, operation, scopeOf(root, operation), `operation ${index}`));
  const roots = tree.children.filter(({ kind }) => kind === 'element').length;
  if (roots !== 1) throw fhirError(422, 'business-rule', `A patch must leave one resource; it leaves ${roots}.`);
  return writeXmlTree(tree);
}

function treeOf(text: string): XmlElement {
  try {
    return readXmlTree(text);
  } catch (error) {
    if (!(error instanceof XmlTreeError)) throw error;
    throw fhirError(400, 'structure', `The patch is no XML: ${error.message}.`);
  }
}

function rootOf(tree: XmlElement): XmlElement | undefined {
  return tree.children.find((node) => node.kind === 'element');
}

function scopeOf(root: XmlElement, operation: XmlElement): Scope {
  return new Map([...root.namespaces, ...operation.namespaces]);
}

function applyOne(tree: XmlElement, operation: XmlElement, scope: Scope, place: string): void {
  const selector = attributeOf(operation, 'sel');
  if (selector === undefined) throw fhirError(400, 'structure', `${place}: <${operation.local}> has no "sel".`);
  const target = select(tree, selector, scope, place);
  for (const parent of target.parents) parent.source = undefined;
  switch (operation.local) {
    case 'add':
      return add(target, operation, scope, place);
    case 'replace':
      return replace(target, operation, place);
    case 'remove':
      return remove(target);
    default:
      throw fhirError(400, 'structure', `${place}: <${operation.local}>; expected add, replace or remove.`);
  }
}

function add(target: Selected, operation: XmlElement, scope: Scope, place: string): void {
  if (target.kind !== 'node') throw refused(place, 'an attribute or namespace can be replaced and removed only');
  const { node, parents } = target;
  const [type, pos] = [attributeOf(operation, 'type'), attributeOf(operation, 'pos')];
  if (type !== undefined) {
    if (node.kind !== 'element') throw refused(place, 'attributes belong to elements');
    return addTyped(node, type, textIn(operation, place), scope, place);
  }
  if (pos === 'before' || pos === 'after') {
    const parent = parents[parents.length - 1];
    const at = parent.children.indexOf(node) + (pos === 'after' ? 1 : 0);
    parent.children.splice(at, 0, ...contentOf(operation));
    return;
  }
  if (pos !== undefined && pos !== 'prepend') {
    throw fhirError(400, 'structure', `${place}: "pos" is "${pos}"; expected before, after or prepend.`);
  }
  if (node.kind !== 'element') throw refused(place, 'only elements have children');
  node.source = undefined;
  if (pos === 'prepend') node.children.unshift(...contentOf(operation));
  else node.children.push(...contentOf(operation));
}

function addTyped(element: XmlElement, type: string, value: string, scope: Scope, place: string): void {
  element.source = undefined;
  if (type.startsWith('namespace::')) {
    element.namespaces.set(type.slice('namespace::'.length), value);
    return;
  }
  if (!type.startsWith('@')) {
    throw fhirError(400, 'structure', `${place}: "type" is "${type}"; expected @name or namespace::prefix.`);
  }
  const [prefix, local] = splitName(type.slice(1));
  const uri = prefix === '' ? '' : scope.get(prefix);
  if (uri === undefined) throw fhirError(400, 'structure', `${place}: the prefix "${prefix}" is not declared.`);
  if (element.attributes.some((one) => one.local === local && one.uri === uri)) {
    throw refused(place, `the attribute "${local}" is there already; use replace`);
  }
  element.attributes.push({ prefix, local, uri, value });
}

function replace(target: Selected, operation: XmlElement, place: string): void {
  const parent = target.parents[target.parents.length - 1];
  if (target.kind === 'namespace') {
    parent.namespaces.set(target.prefix, textIn(operation, place));
    return;
  }
  if (target.kind === 'attribute') {
    const attribute = parent.attributes.find(({ uri, local }) => uri === target.uri && local === target.local);
    if (attribute !== undefined) attribute.value = textIn(operation, place);
    return;
  }
  const { node } = target;
  const content = node.kind === 'text' ? contentOf(operation) : contentOf(operation).filter((one) => !isSpace(one));
  const fits =
    node.kind === 'text'
      ? content.every(({ kind }) => kind === 'text')
      : content.length === 1 && content[0].kind === node.kind;
  if (!fits) throw refused(place, `${node.kind} is replaced by one node of its own kind`);
  parent.children.splice(parent.children.indexOf(node), 1, ...content);
}

function remove(target: Selected): void {
  const parent = target.parents[target.parents.length - 1];
  if (target.kind === 'namespace') parent.namespaces.delete(target.prefix);
  else if (target.kind === 'node') parent.children.splice(parent.children.indexOf(target.node), 1);
  else {
    const at = parent.attributes.findIndex(({ uri, local }) => uri === target.uri && local === target.local);
    parent.attributes.splice(at, 1);
  }
}

/** Copies, so that one operation's content cannot be changed by the next. */
function contentOf({ children }: XmlElement): XmlNode[] {
  const hasElements = children.some(({ kind }) => kind === 'element');
  return children.filter((node) => !hasElements || !isSpace(node)).map(copyOf);
}

function copyOf(node: XmlNode): XmlNode {
  if (node.kind !== 'element') return node;
  const attributes = node.attributes.map((attribute) => ({ ...attribute }));
  return { ...node, attributes, namespaces: new Map(node.namespaces), children: node.children.map(copyOf) };
}

function isSpace(node: XmlNode): boolean {
  return node.kind === 'text' && !/\S/.test(node.text);
}

function textIn({ children }: XmlElement, place: string): string {
  const texts = children.filter((node) => node.kind === 'text');
  if (texts.length === children.length) return texts.map(({ text }) => text).join('');
  throw fhirError(400, 'structure', `${place}: the value is expected to be a text.`);
}

function attributeOf({ attributes }: XmlElement, name: string): string | undefined {
  return attributes.find(({ local, uri }) => local === name && uri === '')?.value;
}

function refused(place: string, reason: string) {
  return fhirError(422, 'business-rule', `The patch does not apply: ${place}: ${reason}.`);
}

function notFhir(message: string, expression: string | undefined) {
  return fhirError(422, 'business-rule', `What the patch leaves is no FHIR XML: ${message}.`, expression);
}
