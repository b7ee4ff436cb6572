/** `mustHaveValue` and `valueAlternatives`: elements of R5 that R4 profiles carry as extensions. */
import type { ElementDefinition } from '../definitions/types.js';
import type { ItemCheck } from './slicing.js';

interface Extension {
  readonly url: string;
  readonly [value: string]: unknown;
}

const mustHaveValue = /\/StructureDefinition\/extension-ElementDefinition\.mustHaveValue$/;
const valueAlternatives = /\/StructureDefinition\/extension-ElementDefinition\.valueAlternatives$/;

/** The check that a primitive has a value, or one of the extensions that may stand for it; undefined when nothing is demanded. */
export function valueRule(element: ElementDefinition): ItemCheck | undefined {
  const extensions = (element.extension ?? []) as readonly Extension[];
  const isDemanded = extensions.some(({ url, valueBoolean }) => mustHaveValue.test(url) && valueBoolean === true);
  const alternatives = extensions
    .filter(({ url }) => valueAlternatives.test(url))
    .map(({ valueCanonical, valueUri }) => valueCanonical ?? valueUri);
  if (!isDemanded && alternatives.length === 0) return undefined;
  return (run, { value, sibling, path }) => {
    if (value !== undefined) return;
    const present = ((sibling as { extension?: Extension[] } | undefined)?.extension ?? []).map(({ url }) => url);
    if (!isDemanded && present.some((url) => alternatives.includes(url))) return;
    const expected = isDemanded ? 'a value' : `a value or one of the extensions ${alternatives.join(', ')}`;
    run.error('required', 'value', path, `${element.path} has no value; expected ${expected}`);
  };
}
