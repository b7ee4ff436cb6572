/**
 * What the rest of the server knows of the validator.
 *
 * One instance per ProfileSet; pure and synchronous; safe for any number of callers in a thread.
 */
import type { Issue } from '../../base/outcome.js';
import type { Resource } from '../../base/resource.js';

export interface ValidationOptions {
  /** Canonical URLs to validate against, beside the base definition and `meta.profile`. */
  readonly profiles?: readonly string[];
  /** `create` and `update` apply the rules of a write; `delete` checks the type only. */
  readonly mode?: 'create' | 'update' | 'delete';
  /** Best-practice rules (dom-6, ...) as warnings. Default false. */
  readonly bestPractice?: boolean;
  /** What an unknown profile in `meta.profile` is. Default `error`, as in the HL7 validator; the server's own default is `warning`. */
  readonly unknownProfile?: 'error' | 'warning';
  /** Takes `Type/id` references to resolve to a resource of that type, so that target types are checked. Default true. */
  readonly checkReferenceTypes?: boolean;
}

export interface Validator {
  /** Every broken rule at once, in document order; empty when there is nothing to say. Valid: no issue of severity `error` or `fatal`. */
  validate(resource: Resource, options?: ValidationOptions): Issue[];
  /**
   * As `validate`, in steps: a Bundle yields after each entry, so that a caller can let other work go on between them. The issues of the
   * entries come first, then those of the Bundle itself. `validate` is all steps at once.
   */
  validateInSteps(resource: Resource, options?: ValidationOptions): Generator<void, Issue[]>;

  /**
   * As `validate`, after a terminology server was asked about codes that cannot be decided here. Absent: none is configured, and `validate`
   * says all there is to say.
   */
  settle?(resource: Resource, options?: ValidationOptions): Promise<Issue[]>;
}
