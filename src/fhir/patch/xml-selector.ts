/**
 * The selectors of XML Patch: XPath as RFC 5261 restricts it (child steps, positions, equality with an attribute or a child).
 *
 * Spec: RFC 5261, section 4.1. As FHIR's own test cases do, `f:` stands for FHIR's namespace and `h:` for XHTML's unless they are declared.
 */
import { fhirError } from '../../base/outcome.js';
import type { XmlElement, XmlNode } from './xml-tree.js';

/** What a selector found: a node with its place, an attribute, or a namespace declaration. */
export type Selected =
  | { readonly kind: 'node'; readonly node: XmlNode; readonly parents: readonly XmlElement[] }
  | {
      readonly kind: 'attribute';
      readonly uri: string;
      readonly local: string;
      readonly parents: readonly XmlElement[];
    }
  | { readonly kind: 'namespace'; readonly prefix: string; readonly parents: readonly XmlElement[] };

/** Prefix (empty: none) -> URI, as at the operation in the patch. */
export type Scope = ReadonlyMap<string, string>;

interface Found {
  readonly node: XmlNode;
  /** From the document down to the parent. */
  readonly parents: readonly XmlElement[];
}

const wellKnown: Readonly<Record<string, string>> = {
  '': 'http://hl7.org/fhir',
  f: 'http://hl7.org/fhir',
  h: 'http://www.w3.org/1999/xhtml',
  xhtml: 'http://www.w3.org/1999/xhtml',
};

const name = String.raw`(?:(?:[\w.-]+):)?(?:[\w.-]+|\*)`;
const literal = String.raw`(?:"[^"]*"|'[^']*')`;
const stepForm = new RegExp(
  String.raw`^(?:@(?<attribute>${name})|namespace::(?<namespace>[\w.-]+)|(?<kind>text|comment|node)\(\)` +
    String.raw`|processing-instruction\((?<target>${literal})?\)|(?:child::)?(?<element>${name}))(?<predicates>(?:\[[^\]"']*(?:${literal})?[^\]"']*\])*)$`,
);
const predicateForm = new RegExp(
  String.raw`\[\s*(?:(?<position>[1-9]\d*)|(?<by>\.|@?${name})\s*=\s*(?<value>${literal}))\s*\]`,
  'g',
);

/**
 * The one thing that `selector` means in the document.
 * @throws FhirError 400 `structure` for a selector that is none; 422 `business-rule` when it finds nothing, or several things.
 */
export function select(document: XmlElement, selector: string, scope: Scope, place: string): Selected {
  const steps = stepsOf(selector, place);
  let found: Found[] = [{ node: document, parents: [] }];
  for (const [index, step] of steps.entries()) {
    const match = stepForm.exec(step);
    if (match?.groups === undefined) throw wrong(selector, place);
    const { attribute, namespace, kind, target, element, predicates } = match.groups as Record<
      string,
      string | undefined
    >;
    const isLast = index === steps.length - 1;
    if (attribute !== undefined || namespace !== undefined) {
      if (!isLast || predicates !== '') throw wrong(selector, place);
      return ofElement(found, attribute, namespace, selector, scope, place);
    }
    if (kind !== undefined && !isLast) throw wrong(selector, place);
    const accepts = (node: XmlNode): boolean => {
      if (element !== undefined) return node.kind === 'element' && isNamed(node, element, scope);
      if (kind !== undefined) return kind === 'node' || node.kind === kind;
      return node.kind === 'instruction' && (target === undefined || node.target === unquoted(target));
    };
    found = found.flatMap((parent) =>
      narrowed(
        childrenOf(parent).filter(({ node }) => accepts(node)),
        predicates ?? '',
        scope,
        selector,
        place,
      ),
    );
  }
  const [only] = found;
  if (found.length !== 1) throw notOne(selector, found.length, place);
  return { kind: 'node', ...only };
}

/** Longer selectors are refused: matching them takes time. */
const longestSelector = 2_000;

/** The steps of a path; slashes in quoted texts divide nothing. */
function stepsOf(selector: string, place: string): string[] {
  if (selector.length > longestSelector) throw wrong(selector, place);
  const text = selector.trim().replace(/^\//, '');
  const steps = text.match(new RegExp(`(?:${literal}|[^/"'])+`, 'g')) ?? [];
  if (steps.length === 0 || steps.join('/') !== text) throw wrong(selector, place);
  return steps;
}

function childrenOf({ node, parents }: Found): Found[] {
  return node.kind === 'element' ? node.children.map((child) => ({ node: child, parents: [...parents, node] })) : [];
}

function narrowed(nodes: Found[], predicates: string, scope: Scope, selector: string, place: string): Found[] {
  const all = [...predicates.matchAll(predicateForm)];
  if (all.map(([text]) => text).join('') !== predicates) throw wrong(selector, place);
  return all.reduce((left, { groups }) => {
    const { position, by = '', value = '' } = groups as Record<string, string | undefined>;
    if (position !== undefined) return left.slice(Number(position) - 1, Number(position));
    return left.filter(({ node }) => node.kind === 'element' && valuesOf(node, by, scope).includes(unquoted(value)));
  }, nodes);
}

function valuesOf(node: XmlElement, by: string, scope: Scope): string[] {
  if (by === '.') return [textOf(node)];
  if (!by.startsWith('@')) {
    return node.children.filter((child) => child.kind === 'element' && isNamed(child, by, scope)).map(textOf);
  }
  const wanted = by.slice(1);
  return node.attributes.filter((one) => isAttribute(one, wanted, scope)).map(({ value }) => value);
}

function textOf(node: XmlNode): string {
  if (node.kind === 'element') return node.children.map(textOf).join('');
  return node.kind === 'text' ? node.text : '';
}

function ofElement(
  found: readonly Found[],
  attribute: string | undefined,
  namespace: string | undefined,
  selector: string,
  scope: Scope,
  place: string,
): Selected {
  const all = found.flatMap(({ node, parents }): Selected[] => {
    if (node.kind !== 'element') return [];
    const above = [...parents, node];
    if (namespace !== undefined) {
      return node.namespaces.has(namespace) ? [{ kind: 'namespace', prefix: namespace, parents: above }] : [];
    }
    return node.attributes
      .filter((one) => isAttribute(one, attribute ?? '', scope))
      .map(({ uri, local }) => ({ kind: 'attribute', uri, local, parents: above }));
  });
  if (all.length !== 1) throw notOne(selector, all.length, place);
  return all[0];
}

function isNamed({ uri, local }: XmlElement, wanted: string, scope: Scope): boolean {
  const [prefix, own] = splitName(wanted);
  if (own !== '*' && own !== local) return false;
  return (own === '*' && prefix === '') || uri === (scope.get(prefix) ?? wellKnown[prefix]);
}

/** Attributes without a prefix have no namespace. */
function isAttribute(
  { uri, local }: { readonly uri: string; readonly local: string },
  wanted: string,
  scope: Scope,
): boolean {
  const [prefix, own] = splitName(wanted);
  return (own === '*' || own === local) && (prefix === '' ? uri === '' : uri === scope.get(prefix));
}

/** Prefix and local part of a qualified name. */
export function splitName(qualified: string): readonly [prefix: string, local: string] {
  const at = qualified.indexOf(':');
  return at === -1 ? ['', qualified] : [qualified.slice(0, at), qualified.slice(at + 1)];
}

function unquoted(text: string): string {
  return text.slice(1, -1);
}

function wrong(selector: string, place: string) {
  const diagnostics = `The selector "${selector.slice(0, 200)}" is none of RFC 5261; expected one such as f:Patient/f:name[1]/@id.`;
  return fhirError(400, 'structure', diagnostics, place);
}

function notOne(selector: string, count: number, place: string) {
  const diagnostics = `The patch does not apply: "${selector.slice(0, 200)}" selects ${count} nodes; expected one.`;
  return fhirError(422, 'business-rule', diagnostics, place);
}
