/** Which XHTML elements may stand in which. Spec: https://www.w3.org/TR/html401, https://hl7.org/fhir/R4/narrative.html#xhtml */
import type { XhtmlNode } from './xhtml.js';

const words = (text: string): ReadonlySet<string> => new Set(text.split(' '));
const blocks = words('div pre table ul ol');
const paragraphs = words(
  'p h1 h2 h3 h4 h5 h6 pre address a b em i strong small big sub sup code tt dfn q var abbr acronym cite bdo kbd samp span caption dd dt',
);
const flat = words('a b em i strong small big sub sup code tt dfn q var abbr acronym cite bdo kbd samp');
const inParagraph = words('div blockquote table ol ul p');
const childless = words('br img hr area');
/** White space written as a character reference. */
const blankReference = /&#(?:0*(?:9|10|13|32)|[xX]0*(?:9|[aA]|[dD]|20));/g;
const children: Readonly<Record<string, ReadonlySet<string>>> = {
  table: words('tbody tr caption thead tfoot col colgroup'),
  tr: words('td th'),
  tbody: words('tr'),
  thead: words('tr'),
  tfoot: words('tr'),
  ul: words('li'),
  ol: words('li'),
  dl: words('dd dt'),
  map: words('area'),
};
const parents: Readonly<Record<string, ReadonlySet<string>>> = {
  tr: words('table thead tfoot tbody'),
  tbody: words('table'),
  thead: words('table'),
  tfoot: words('table'),
  caption: words('table'),
  colgroup: words('table'),
  col: words('colgroup table'),
  th: words('tr thead tfoot'),
  td: words('tr thead tfoot'),
  li: words('ul ol'),
  dd: words('dl'),
  dt: words('dl'),
};

/** One sentence for each element of `root` that stands where it may not. */
export function xhtmlStructure(root: XhtmlNode): string[] {
  const problems: string[] = [];
  visit(root, [], problems);
  return problems;
}

/** @param around names of the elements around `node`, outermost first. */
function visit(node: XhtmlNode, around: readonly string[], problems: string[]): void {
  const name = node.name as string;
  const parent = around[around.length - 1];
  if (parent !== undefined) {
    const allowed = parents[name];
    if (allowed && !allowed.has(parent)) problems.push(`<${name}> stands in <${parent}>; expected in ${list(allowed)}`);
    if (blocks.has(name)) {
      const outer = around.find((element) => paragraphs.has(element));
      if (outer !== undefined) problems.push(`<${name}> stands inside of <${outer}>, which holds text only`);
    } else if (inParagraph.has(name) && around.includes('p')) {
      problems.push(`<${name}> stands inside of <p>`);
    }
    if (flat.has(name) && around.includes(name)) problems.push(`<${name}> stands inside of <${name}>`);
  }
  if (childless.has(name) && node.children.length > 0) problems.push(`<${name}> has content; expected none`);
  const expected = children[name];
  const inner = [...around, name];
  for (const child of node.children) {
    if (child.name !== undefined) {
      if (expected && !expected.has(child.name))
        problems.push(`<${name}> holds <${child.name}>; expected ${list(expected)}`);
      visit(child, inner, problems);
    } else if (expected && /\S/.test((child.text ?? '').replace(blankReference, ''))) {
      problems.push(`<${name}> holds text; expected ${list(expected)}`);
    }
  }
}

const list = (names: ReadonlySet<string>): string => [...names].map((name) => `<${name}>`).join(', ');
