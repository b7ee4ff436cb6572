/** Names of R4's types in GraphQL. Spec: https://hl7.org/fhir/R4/graphql.html */
import type { Shape } from '../validation/shapes.js';

/** `Patient.contact` is called PatientContact in the schema of R4. */
export function typeNameOf({ type }: Pick<Shape, 'type'>): string {
  return type
    .split('.')
    .map((part) => part.charAt(0).toUpperCase() + part.slice(1))
    .join('');
}
