/** The parts of an operation in a Parameters resource. Spec: https://hl7.org/fhir/R4/fhirpatch.html#concept */
import { fhirError } from '../../base/outcome.js';

/** One `parameter` or `part`. */
export interface Part {
  readonly name?: unknown;
  readonly part?: readonly Part[];
  readonly [element: string]: unknown;
}

export function partNamed({ part }: Part, name: string): Part | undefined {
  return Array.isArray(part) ? (part as readonly Part[]).find((candidate) => candidate.name === name) : undefined;
}

/** @throws FhirError 400 `structure` when the part is missing or no text. */
export function textPart(operation: Part, name: string, place: string): string {
  const part = partNamed(operation, name);
  const value = part?.valueString ?? part?.valueCode;
  if (typeof value === 'string' && value !== '') return value;
  throw fhirError(400, 'structure', `The operation has no "${name}" as valueString or valueCode.`, place);
}

/** @throws FhirError 400 `structure` when the part is missing or no whole number. */
export function indexPart(operation: Part, name: string, place: string): number {
  const part = partNamed(operation, name);
  const value = part?.valueInteger ?? part?.valueUnsignedInt ?? part?.valuePositiveInt;
  if (typeof value === 'number' && Number.isInteger(value) && value >= 0) return value;
  throw fhirError(400, 'structure', `The operation has no "${name}" as valueInteger.`, place);
}
