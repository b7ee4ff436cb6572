/**
 * The narrative: well-formed XHTML of the basic elements, with some content.
 *
 * Spec: https://hl7.org/fhir/R4/narrative.html (txt-1, txt-2)
 */
import type { Run } from './run.js';
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

function hasContent(node: XhtmlNode): boolean {
  if (node.text !== undefined) return /\S/.test(node.text);
  return node.name === 'img' || node.children.some(hasContent);
}
