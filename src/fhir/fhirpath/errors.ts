/** The closed error family of the FHIRPath engine. */

/**
 * `syntax`: the text is no FHIRPath; `semantic`: it can never be right for this model and input type (both thrown at compile);
 * `execution`: the data break a rule, such as several items where one is allowed.
 */
export type FhirPathErrorKind = 'syntax' | 'semantic' | 'execution';

/** Why an expression could not be compiled or evaluated. */
export class FhirPathError extends Error {
  override readonly name = 'FhirPathError';

  /** @param position 0-based offset in the expression, where it is known. */
  constructor(
    readonly kind: FhirPathErrorKind,
    message: string,
    readonly position?: number,
  ) {
    super(position === undefined ? message : `${message} (at offset ${position})`);
  }
}

/** An error of kind `execution`. */
export function executionError(message: string): FhirPathError {
  return new FhirPathError('execution', message);
}
