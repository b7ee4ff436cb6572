/** What a search asks for, parsed: one condition per query parameter, joined by and. */
import type { DateValue } from './date.js';
import type { NearValue } from './near.js';
import type { NumberValue } from './number.js';
import type { Component, Composite, Parameter } from './parameters.js';
import type { QuantityValue } from './quantity.js';
import type { ReferenceValue } from './reference.js';
import type { StringValue } from './string.js';
import type { TokenValue } from './token.js';
import type { UriValue } from './uri.js';

/** `type|code|value` of an identifier (`:of-type`). */
export interface OfTypeValue {
  readonly kind: 'of-type';
  readonly system: string;
  readonly code: string;
  readonly value: string;
}

export interface CompositeValue {
  readonly kind: 'composite';
  /** One for each component, in order. */
  readonly parts: readonly Value[];
}

export type Value =
  | TokenValue
  | StringValue
  | ReferenceValue
  | DateValue
  | NumberValue
  | QuantityValue
  | UriValue
  | NearValue
  | OfTypeValue
  | CompositeValue;

/** How values are compared, beyond the default of the parameter's type. `equals` (without case) and `ends-with` come from `_filter` alone. */
export type Modifier = 'exact' | 'contains' | 'text' | 'above' | 'below' | 'identifier' | 'equals' | 'ends-with';

/** One parameter with its values; one of the values must match. */
export interface ParameterCondition {
  readonly kind: 'parameter';
  /** The resource type searched; `Resource` when any. */
  readonly type: string;
  readonly parameter: Parameter;
  readonly modifier?: Modifier;
  readonly values: readonly Value[];
}

export type Condition =
  | ParameterCondition
  | { readonly kind: 'missing'; readonly type: string; readonly parameter: Parameter; readonly isMissing: boolean }
  /** A reference to a resource that meets one of `targets`. */
  | {
      readonly kind: 'chain';
      readonly type: string;
      readonly parameter: Parameter;
      readonly targets: readonly TypedCondition[];
    }
  /** Referred to, by `parameter`, from a resource that meets `source`. */
  | { readonly kind: 'has'; readonly type: string; readonly parameter: Parameter; readonly source: TypedCondition }
  | { readonly kind: 'id'; readonly type: string; readonly ids: readonly string[] }
  | { readonly kind: 'updated'; readonly values: readonly DateValue[] }
  /** Alternatives of words that all occur. */
  | {
      readonly kind: 'words';
      readonly parameter: '_text' | '_content';
      readonly alternatives: readonly (readonly string[])[];
    }
  /** Entry of one of these Lists. */
  | { readonly kind: 'list'; readonly type: string; readonly ids: readonly string[] }
  | { readonly kind: 'and' | 'or'; readonly of: readonly Condition[] }
  | { readonly kind: 'not'; readonly of: Condition };

export interface TypedCondition {
  readonly type: string;
  readonly condition: Condition;
}

export type { Component, Composite };
