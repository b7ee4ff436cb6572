/** The ways in which search parameters are wrong. All are FhirErrors with status 400. */
import { fhirError, type FhirError } from '../../base/outcome.js';
import type { Parameter, SearchParameters } from './parameters.js';

export function invalid(diagnostics: string): FhirError {
  return fhirError(400, 'invalid', diagnostics);
}

export function tooCostly(diagnostics: string): FhirError {
  return fhirError(400, 'too-costly', diagnostics);
}

export function notOffered(diagnostics: string): FhirError {
  return fhirError(400, 'not-supported', diagnostics);
}

/** Names the parameter, and the known ones: those that are spelled nearly like it first. */
export function unknownParameter(parameters: SearchParameters, type: string, name: string): UnknownParameter {
  const code = name.slice(0, 64);
  const known = [...parameters.parametersOf(type).keys()];
  const near = known
    .map((one) => [distance(one, code), one] as const)
    .filter(([far, one]) => far <= Math.max(2, code.length / 3) || one.includes(code) || code.includes(one))
    .sort(([one], [other]) => one - other)
    .map(([, one]) => one);
  const where = type === 'Resource' ? 'a search of all types' : `a search of ${type}`;
  const hint = near.length > 0 ? `near it: ${near.slice(0, 8).join(', ')}` : `known: ${known.sort().join(', ')}`;
  return new UnknownParameter(invalid(`Search parameter '${code}' is unknown in ${where}; ${hint}`));
}

/** Told apart from wrong values: lenient handling passes over what is unknown. */
export class UnknownParameter extends Error {
  override readonly name = 'UnknownParameter';
  constructor(readonly error: FhirError) {
    super(error.message);
  }
}

export function badModifier(parameter: Parameter, modifier: string, offered: readonly string[]): UnknownParameter {
  return new UnknownParameter(
    invalid(
      `Search parameter ${parameter.code}: modifier ':${modifier}' is not defined for a ${parameter.type} parameter; ` +
        `offered: ${offered.map((one) => `:${one}`).join(' ')}`,
    ),
  );
}

/** Levenshtein distance. */
function distance(one: string, other: string): number {
  let row = Array.from({ length: other.length + 1 }, (_, index) => index);
  for (let at = 1; at <= one.length; at += 1) {
    const next = [at];
    for (let to = 1; to <= other.length; to += 1) {
      const change = one[at - 1] === other[to - 1] ? 0 : 1;
      next.push(Math.min(row[to] + 1, next[to - 1] + 1, row[to - 1] + change));
    }
    row = next;
  }
  return row[other.length];
}
