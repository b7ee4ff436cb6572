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

const kept = new WeakMap<SearchParameters, Recent<string, SearchQuery>>();
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
  let queries = kept.get(parameters);
  if (queries === undefined) kept.set(parameters, (queries = new Recent(mostKept)));
  const key = keyOf(context, type, params, handling);
  const known = queries.get(key);
  if (known !== undefined) return known;
  const watch = { isLasting: true };
  const query = parseSearch(watched(context, watch), type, params, handling);
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

/** The context, telling `watch` when something was asked for that may be another next time. */
function watched(context: SearchContext, watch: { isLasting: boolean }): SearchContext {
  const { terminology } = context;
  const forget = () => {
    watch.isLasting = false;
  };
  /** What is so of a parameter while the index makes up for it is not so for long. */
  const passing = (isSo: boolean | undefined) => {
    if (isSo) forget();
    return isSo === true;
  };
  return {
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
