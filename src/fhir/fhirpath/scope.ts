/** What an expression may know beside its input. */
import type { Clock } from '../../base/clock.js';
import { systemClock } from '../../base/clock.js';
import { Temporal } from './temporal.js';
import { executionError } from './errors.js';
import type { Collection, Item, JsonObject } from './values.js';

/** All optional: an expression that needs what is missing ends in a FhirPathError of kind `execution`. */
export interface FhirPathEnv {
  /** `%resource`: the resource that holds the input; default the input itself. A contained resource is its own. */
  readonly resource?: unknown;
  /** `%rootResource`: the container of `%resource`; default `%resource`. */
  readonly rootResource?: unknown;
  /** `%context`; default the input. */
  readonly context?: unknown;
  /** The target of a reference; `from` is the resource that holds it. Without it, only `#id` inside `%rootResource` resolves. */
  resolve?(reference: string, from: unknown): unknown;
  /** Is the code, Coding or CodeableConcept in the value set? undefined: cannot be told (an empty result). */
  memberOf?(value: unknown, type: string, valueSetUrl: string): boolean | undefined;
  /** undefined: no such profile (an error). */
  conformsTo?(resource: unknown, profileUrl: string): boolean | undefined;
  /** Does the first coding subsume the second? undefined: cannot be told. */
  subsumes?(a: unknown, b: unknown): boolean | undefined;
  /** Time of `now()`, `today()`, `timeOfDay()`: read once for an environment. Default the system's clock. */
  readonly clock?: Clock;
  /** Values of `%name`. */
  readonly variables?: Readonly<Record<string, unknown>>;
  trace?(name: string, values: readonly unknown[]): void;
}

/** Items that one evaluation may visit: a second or so of work. */
const mostVisits = 10_000_000;

/** An environment prepared for many evaluations: make one for a resource and pass it to each. Not for two evaluations at once. */
export class Scope {
  /** `$index` and `$total` of the innermost loop. */
  index = 0;
  total: Collection = undefined;
  /** The descendants of `%resource`, once somebody has asked for them. */
  tree: { readonly root: Item; readonly below: readonly Item[] } | undefined;
  /** What `defineVariable()` has set in the evaluation that is running. */
  defined: Map<string, Collection> | undefined;
  /** Items visited by the evaluation that is running. */
  visits = 0;
  private moment: Temporal | undefined;

  constructor(
    readonly env: FhirPathEnv,
    /** Input of the evaluation that is running. */
    public input: Item | undefined = undefined,
  ) {}

  /** Counts work done. @throws FhirPathError `execution` when an evaluation does too much. */
  visit(items = 1): void {
    this.visits += items;
    if (this.visits > mostVisits) throw executionError('the expression takes too long on these data');
  }

  get resource(): Item | undefined {
    return (this.env.resource ?? this.input) as Item | undefined;
  }

  get rootResource(): Item | undefined {
    return (this.env.rootResource ?? this.resource) as Item | undefined;
  }

  get context(): Item | undefined {
    return (this.env.context ?? this.input) as Item | undefined;
  }

  get now(): Temporal {
    return (this.moment ??= Temporal.fromInstant((this.env.clock ?? systemClock).now()));
  }

  /** The resource that a reference text leads to. */
  resolve(reference: string): Item | undefined {
    if (reference.startsWith('#')) {
      const root = this.rootResource as JsonObject | undefined;
      if (reference === '#') return root;
      const contained = root?.contained;
      if (Array.isArray(contained)) {
        const found = (contained as JsonObject[]).find((resource) => resource?.id === reference.slice(1));
        if (found) return found;
      }
    }
    return (this.env.resolve?.(reference, this.resource) ?? undefined) as Item | undefined;
  }
}
