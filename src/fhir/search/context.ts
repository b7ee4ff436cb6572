/** What parsing and planning a search needs to know. */
import type { Clock } from '../../base/clock.js';
import type { TermPacker } from './blind.js';
import type { WordIndex } from './extract.js';
import type { Parameter, SearchParameters } from './parameters.js';

export interface SearchContext {
  readonly parameters: SearchParameters;
  readonly blinder: TermPacker;
  /** Without a slash at the end. */
  readonly baseUrl: string;
  readonly clock: Clock;
  /** What the extractor indexes. Default `narrative`. */
  readonly words?: WordIndex;
  /** For `:in`, `:not-in`, `:above`, `:below` on tokens; without it they are refused. */
  readonly terminology?: SearchTerminology;
  readonly limits?: SearchLimits;
  /**
   * True for parameters that came after resources were indexed, such as uploaded ones: what they ask for is decided on opened resources, until
   * everything is indexed anew. Not for those that select what others select: these share their entries.
   */
  opens?(parameter: Parameter): boolean;
  /** True for parameters that some resources are older than, indexed anew or not: sealed headers of these hold no sort key of them. */
  isYoung?(parameter: Parameter): boolean;
  /** `/Patient/1/Observation`: searches inside this compartment only. */
  readonly compartment?: { readonly type: string; readonly id: string };
}

/** Codes that modifiers stand for. */
export interface SearchTerminology {
  /** The codes of a value set (canonical URL, `|version` allowed); undefined when it is unknown or cannot be expanded. */
  expand(valueSet: string): readonly { readonly system?: string; readonly code: string }[] | undefined;
  /** `code` and those that it subsumes (`below`) or that subsume it (`above`); undefined when the system is unknown. */
  related(system: string, code: string, direction: 'above' | 'below'): readonly string[] | undefined;
}

/** Beyond these a search ends in `too-costly`. */
export interface SearchLimits {
  /** Values in one OR list. */
  readonly values: number;
  /** Codes that a value set may expand to. */
  readonly expansion: number;
  /** Links in a chain, `_has` included. */
  readonly chainDepth: number;
  /** Parts of a plan. */
  readonly planSize: number;
}

const defaultLimits: SearchLimits = { values: 1000, expansion: 5000, chainDepth: 10, planSize: 20_000 };

export function limitsOf(context: SearchContext): SearchLimits {
  return context.limits ?? defaultLimits;
}
