/**
 * Parsed and planned searches that were asked before: clients ask the same questions again and again.
 *
 * A plan depends on the search parameters in force and on what it asked the context for. One that asked for the time (`ap`), a terminology or whether
 * a parameter has to be opened, and so may differ next time, is not kept.
 */
import { Recent } from '../../vault/recent.js';
import type { SearchContext, SearchTerminology } from './context.js';
import type { SearchParameters } from './parameters.js';
import { parseSearch, type Handling, type QueryParameters, type SearchQuery } from './query.js';

interface Kept {
  readonly queries: Recent<string, SearchQuery>;
  /** Parsing asks a context through its watch. */
  readonly watches: WeakMap<SearchContext, Watch>;
}

interface Watch {
  readonly context: SearchContext;
  /** Nothing was asked for that may be another next time. */
  isLasting: boolean;
}

const kept = new WeakMap<SearchParameters, Kept>();
/** Per set of search parameters. */
const mostKept = 500;
/** Longer questions are hardly asked twice. */
const longestKept = 1_000;

/** parseSearch, with its memory. @throws FhirError as parseSearch. */
export function parseRemembered(
  context: SearchContext,
  type: string | undefined,
  params: QueryParameters,
  handling: Handling,
): SearchQuery {
  const { parameters } = context;
  let own = kept.get(parameters);
  if (own === undefined) kept.set(parameters, (own = { queries: new Recent(mostKept), watches: new WeakMap() }));
  const { queries, watches } = own;
  const key = keyOf(context, type, params, handling);
  const known = queries.get(key);
  if (known !== undefined) return known;
  let watch = watches.get(context);
  if (watch === undefined) watches.set(context, (watch = watched(context)));
  watch.isLasting = true;
  const query = parseSearch(watch.context, type, params, handling);
  if (watch.isLasting && key.length <= longestKept) queries.set(key, query);
  return query;
}

function keyOf(
  { compartment, blinder }: SearchContext,
  type: string | undefined,
  params: QueryParameters,
  handling: Handling,
): string {
  let key = `${blinder.epoch ?? 0}/${handling}/${compartment?.type ?? ''}/${compartment?.id ?? ''}/${type ?? ''}`;
  for (const [name, value] of params) key += `\u0000${name}\u0001${value}`;
  return key;
}

/** The context, with a note of whether something was asked for that may be another next time. */
function watched(context: SearchContext): Watch {
  const { terminology } = context;
  const forget = () => {
    watch.isLasting = false;
  };
  /** What is so of a parameter while the index makes up for it is not so for long. */
  const passing = (isSo: boolean | undefined) => {
    if (isSo) forget();
    return isSo === true;
  };
  const asked: SearchContext = {
    ...context,
    clock: {
      now: () => {
        forget();
        return context.clock.now();
      },
    },
    ...(terminology === undefined ? {} : { terminology: watchedTerminology(terminology, forget) }),
    opens: (parameter) => passing(context.opens?.(parameter)),
    isYoung: (parameter) => passing(context.isYoung?.(parameter)),
  };
  const watch: Watch = { context: asked, isLasting: true };
  return watch;
}

function watchedTerminology(terminology: SearchTerminology, forget: () => void): SearchTerminology {
  return {
    expand(valueSet) {
      forget();
      return terminology.expand(valueSet);
    },
    related(system, code, direction) {
      forget();
      return terminology.related(system, code, direction);
    },
  };
}
