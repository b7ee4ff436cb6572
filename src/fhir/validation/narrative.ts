/**
 * The narrative: well-formed XHTML of the basic elements, with some content.
 *
 * Spec: https://hl7.org/fhir/R4/narrative.html (txt-1, txt-2)
 */
import { outermost } from './reference.js';
import { shown, type Run } from './run.js';
import type { TypeRule } from './type-rules.js';
import { xhtmlStructure } from './xhtml-structure.js';
import { parseXhtml, type XhtmlNode } from './xhtml.js';

const namespace = 'http://www.w3.org/1999/xhtml';
const words = (text: string): ReadonlySet<string> => new Set(text.split(/\s+/));

const elements =
  words(`p br div h1 h2 h3 h4 h5 h6 a span b em i strong small big tt dfn q var abbr acronym cite blockquote hr address bdo
  kbd sub sup ul ol li dl dt dd pre table caption colgroup col thead tr tfoot tbody th td code samp img map area`);
const attributes =
  words(`title style class id lang xml:lang xml:space dir accesskey tabindex span width align valign char charoff abbr axis
  headers scope rowspan colspan`);
const ownAttributes =
  words(`a.href a.name a.charset a.type a.hreflang a.rel a.rev a.shape a.coords img.src img.border img.alt img.longdesc
  img.height img.width img.usemap img.ismap blockquote.cite q.cite map.name area.shape area.coords area.href area.nohref area.alt
  table.summary table.width table.border table.frame table.rules table.cellspacing table.cellpadding pre.space td.nowrap`);

/** `Narrative.div`. */
export const narrativeDivRule: TypeRule = (run, value, path) => {
  if (typeof value !== 'string') {
    run.error('structure', 'format-xhtml', path, 'Narrative.div is no text; expected XHTML in a string');
    return;
  }
  const root = parseXhtml(value);
  if (typeof root === 'string') {
    run.error('invalid', 'xhtml', path, `the narrative is not well-formed XHTML: ${root}`);
    return;
  }
  if (root.name !== 'div') run.error('invalid', 'xhtml', path, `the narrative is a <${root.name}>; expected a <div>`);
  if (root.attributes.get('xmlns') !== namespace) {
    run.error('invalid', 'xhtml-namespace', path, `the narrative's <div> is not in the namespace ${namespace}`);
  }
  checkNames(run, root, path);
  checkLinks(run, root, path);
  for (const problem of xhtmlStructure(root)) run.error('structure', 'xhtml-structure', path, problem);
  if (!hasContent(root)) {
    run.error('invariant', 'txt-2', path, 'the narrative is empty; expected some text or an image');
  }
};

function checkNames(run: Run, node: XhtmlNode, path: string): void {
  const name = node.name as string;
  if (!elements.has(name)) {
    run.error('invariant', 'txt-1', path, `<${name}> is not one of the basic XHTML elements that a narrative may have`);
  }
  for (const [attribute, value] of node.attributes) {
    if (attribute === 'xmlns' || attribute.startsWith('xmlns:')) {
      if (attribute === 'xmlns' && value !== namespace)
        run.error('invalid', 'xhtml-namespace', path, `<${name}> is in the namespace ${value}; expected ${namespace}`);
    } else if (!attributes.has(attribute) && !ownAttributes.has(`${name}.${attribute}`)) {
      run.error('invariant', 'txt-1', path, `<${name}> may not have the attribute ${attribute} in a narrative`);
    }
  }
  for (const child of node.children) if (child.name !== undefined) checkNames(run, child, path);
}

const activeSchemes = new Set(['javascript', 'vbscript']);
const namingSchemes = new Set(['urn', 'cid']);
/** Of a URL, beside letters and digits. */
const urlText = /^[\p{L}\p{N};?:@&=+$.,/%\-_~#[\]!'()*|]*$/u;

/** Hyperlinks run no code and lead somewhere; images do too. */
function checkLinks(run: Run, node: XhtmlNode, path: string): void {
  const link =
    node.name === 'a' ? node.attributes.get('href') : node.name === 'img' ? node.attributes.get('src') : undefined;
  if (link !== undefined) checkLink(run, node, link.replace(/&amp;/g, '&'), path);
  for (const child of node.children) if (child.name !== undefined) checkLinks(run, child, path);
}

function checkLink(run: Run, node: XhtmlNode, link: string, path: string): void {
  if (link === '') {
    run.error('invalid', 'xhtml-link', path, `<${node.name ?? ''}> has an empty link`);
  } else if (link.startsWith('#')) {
    if (link.length > 1 && !hasTarget(run, link.slice(1))) {
      run.error('invalid', 'xhtml-link', path, `the link ${shown(link)} leads to nothing in the resource`);
    }
  } else if (link.startsWith('data:')) {
    if (!isDataUrl(link)) run.error('invalid', 'xhtml-link', path, `the link ${shown(link)} is no data URL`);
  } else if (!urlText.test(link)) {
    run.error('invalid', 'xhtml-link', path, `the link ${shown(link)} has characters that no URL has`);
  } else if (node.name === 'a') {
    const scheme = /^([a-z][a-z0-9+.-]*):./.exec(link)?.[1] ?? '';
    if (activeSchemes.has(scheme)) run.error('security', 'xhtml-link', path, `the link ${shown(link)} runs code`);
    if (namingSchemes.has(scheme))
      run.error('invalid', 'xhtml-link', path, `the link ${shown(link)} is a name; nobody can follow it`);
  }
}

function isDataUrl(url: string): boolean {
  const parts = url.slice(5).split(',');
  if (parts.length !== 2) return false;
  return !parts[0].endsWith(';base64') || /^[A-Za-z0-9+/]*={0,2}$/.test(parts[1].replace(/\s+/g, ''));
}

/** Is there an element, a contained resource, an XHTML element or anchor with this id in the resource, or in the Bundle around it? */
function hasTarget(run: Run, id: string): boolean {
  const own = outermost(run.frame);
  if (holdsId(own.resource, id)) return true;
  for (let frame = own.parent; frame; frame = frame.parent) {
    if (frame.resource.resourceType === 'Bundle' && holdsId(frame.resource, id)) return true;
  }
  return false;
}

function holdsId(value: unknown, id: string): boolean {
  if (typeof value === 'string') {
    return (
      value.startsWith('<') &&
      (value.includes(`id="${id}"`) || value.includes(`name="${id}"`) || value.includes(`id='${id}'`))
    );
  }
  if (typeof value !== 'object' || value === null) return false;
  return (value as { id?: unknown }).id === id || Object.values(value).some((inner) => holdsId(inner, id));
}

function hasContent(node: XhtmlNode): boolean {
  if (node.text !== undefined) return /\S/.test(node.text);
  return node.name === 'img' || node.children.some(hasContent);
}
