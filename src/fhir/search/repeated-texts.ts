/**
 * Index texts of values that repeat: the codes of a code system, the date of an encounter, the patient whom a bundle is about. Made once; and
 * while they are remembered their strings are the same objects, which are found in maps without being hashed again.
 */
import { Recent } from '../../vault/recent.js';
import type { Selected } from './expression.js';
import type { Source } from './sources.js';

/** Values remembered of one source at most. */
const mostValues = 200;
/** Longer values hardly repeat. */
const longestName = 500;

type Emit = (text: string) => void;

/** Of one extractor: what a value means depends on its base URL. */
export class RepeatedTexts {
  private readonly bySource = new WeakMap<Source, Recent<string, readonly string[]>>();

  /**
   * The texts that `make` emits for one of the values that `source` selects.
   * @param make depends on type and value alone, and on the value's JSON: not for numbers with an exact text.
   */
  of(source: Source, selected: Selected, make: (emit: Emit) => void): readonly string[] {
    const name = nameOf(selected);
    if (name === undefined || name.length > longestName) return emitted(make);
    let remembered = this.bySource.get(source);
    if (remembered === undefined) this.bySource.set(source, (remembered = new Recent(mostValues)));
    let texts = remembered.get(name);
    if (texts === undefined) remembered.set(name, (texts = emitted(make)));
    return texts;
  }
}

/** What tells the value from all others of the same source; undefined where most of them differ. */
function nameOf({ value, type }: Selected): string | undefined {
  // U+0000 tells objects from strings.
  if (typeof value === 'string') return value.startsWith('\u0000') ? undefined : value;
  if (typeof value !== 'object' || value === null) return undefined;
  const repeats = 'coding' in value || 'code' in value || 'reference' in value;
  return repeats ? `\u0000${type}${JSON.stringify(value)}` : undefined;
}

function emitted(make: (emit: Emit) => void): readonly string[] {
  const texts: string[] = [];
  make((text) => void texts.push(text));
  return texts;
}
