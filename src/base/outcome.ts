/**
 * The closed family of errors that reach a client, and the issues they carry.
 *
 * Rendered as OperationOutcome by fhir/http alone. Spec: https://hl7.org/fhir/R4/operationoutcome.html
 */

/** Issue types of https://hl7.org/fhir/R4/valueset-issue-type.html that this server uses. */
export type IssueCode =
  | 'structure'
  | 'required'
  | 'value'
  | 'invariant'
  | 'code-invalid'
  | 'extension'
  | 'invalid'
  | 'business-rule'
  | 'login'
  | 'expired'
  | 'forbidden'
  | 'security'
  | 'not-found'
  | 'deleted'
  | 'not-supported'
  | 'duplicate'
  | 'multiple-matches'
  | 'conflict'
  | 'too-long'
  | 'too-costly'
  | 'throttled'
  | 'timeout'
  | 'no-store'
  | 'transient'
  | 'exception'
  | 'incomplete'
  | 'processing'
  | 'informational';

/** One entry of an OperationOutcome. */
export interface Issue {
  readonly severity: 'fatal' | 'error' | 'warning' | 'information';
  readonly code: IssueCode;
  /** Names the element, what was found and what was expected; never holds a secret. */
  readonly diagnostics: string;
  /** FHIRPath of the element, e.g. `Patient.name[0].family`; absent where no element is to blame. */
  readonly expression?: string;
  /** Stable machine-readable name of the broken rule, e.g. `cardinality-min` or `invariant:pat-1`. */
  readonly rule?: string;
  /** 1-based position in the source text, where it is known. */
  readonly line?: number;
  readonly column?: number;
}

/** An answer that is not a success: HTTP status, issues (at least one) and headers such as `Retry-After`. */
export class FhirError extends Error {
  override readonly name = 'FhirError';

  constructor(
    readonly status: number,
    readonly issues: readonly Issue[],
    readonly headers: Readonly<Record<string, string>> = {},
  ) {
    super(issues.map((issue) => issue.diagnostics).join('; '));
  }
}

/** A FhirError with a single issue of severity `error`. */
export function fhirError(status: number, code: IssueCode, diagnostics: string, expression?: string): FhirError {
  return new FhirError(status, [{ severity: 'error', code, diagnostics, ...(expression ? { expression } : {}) }]);
}
