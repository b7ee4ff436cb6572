/** How a GraphQL request hears that it failed. Spec: https://hl7.org/fhir/R4/graphql.html#errors */
import type { Resource } from '../../base/resource.js';
import type { FhirResponse } from '../request.js';

/** One error for each issue, with its own OperationOutcome in the extensions. */
export function graphQlErrors(outcome: Resource): Pick<FhirResponse, 'native'> {
  const issues = outcome.issue as readonly { readonly diagnostics?: string }[];
  const errors = issues.map((issue) => ({
    message: issue.diagnostics ?? 'The query failed.',
    extensions: { resource: { ...outcome, issue: [issue] } },
  }));
  const bytes = Buffer.from(JSON.stringify({ data: null, errors }));
  return { native: { contentType: 'application/json; charset=utf-8', bytes } };
}
