/** The extractor of the write path: gives index entries under every generation of the index key that versions carry now. */
import type { Link } from '../../commit/catalog.js';
import { packTerms, termsIn } from '../../vault/blinder.js';
import type { IndexBlinder } from '../../vault/index-blinder.js';
import type { SearchContext } from './context.js';
import { createExtractor, type Extractor } from './extract.js';

/** @param context its blinder is `blinder`. */
export function rotatingExtractor(context: SearchContext, blinder: IndexBlinder): Extractor {
  const usual = createExtractor(context);
  return {
    get epoch() {
      return blinder.epoch;
    },
    extract: (resource) => usual.extract(resource),
    entries(resource) {
      const extracted = usual.entries(resource);
      const others = blinder.keys.written.filter((generation) => generation !== blinder.keys.searched);
      if (others.length === 0) return extracted;
      const all = others.map((generation) => extractorOf(context, blinder, generation).entries(resource));
      const terms = packTerms([extracted, ...all].flatMap((one) => termsIn(one.terms)));
      const links: Link[] = [extracted, ...all].flatMap((one) => one.links);
      return { ...extracted, terms, links };
    },
  };
}

/** Extracts under one generation of the index key. */
export function extractorOf(context: SearchContext, blinder: IndexBlinder, generation: number): Extractor {
  const own = Object.create(context, { blinder: { value: blinder.of(generation) } }) as SearchContext;
  return createExtractor(own);
}
