/** What a client hears of a write: status, headers, and as much content as it prefers. */
import { allOk, outcomeOf } from '../outcome.js';
import type { Context, FhirRequest, FhirResponse } from '../request.js';
import type { Principal } from '../../consent/gate.js';
import { contentOf, type ContentServices } from '../visible-content.js';
import type { Written } from './operation.js';

export type AnswerServices = ContentServices;

const statuses: Record<Written['result'], number> = {
  created: 201,
  updated: 200,
  deleted: 204,
  matched: 200,
  nothing: 204,
};

/** The answer to one write. Spec: https://hl7.org/fhir/R4/http.html#ops */
export async function answerOf(
  services: AnswerServices,
  request: Pick<FhirRequest, 'prefer'>,
  context: Context,
  written: Written,
): Promise<FhirResponse> {
  const { result, resourceType, id, row } = written;
  if (result === 'deleted' || result === 'nothing') {
    const wantsOutcome = request.prefer.return === 'OperationOutcome';
    const versionId = row === undefined || result === 'nothing' ? undefined : String(row.versionId);
    return wantsOutcome
      ? {
          status: 200,
          resource: allOk(result === 'deleted' ? `${resourceType}/${id} is deleted.` : 'Nothing was there to delete.'),
          versionId,
        }
      : { status: 204, versionId };
  }
  if (row === undefined) throw new Error(`${result} without a version`);
  const location = `${context.baseUrl}/${resourceType}/${id}/_history/${row.versionId}`;
  return {
    status: statuses[result],
    versionId: String(row.versionId),
    lastModified: row.lastUpdated,
    location: result === 'updated' ? undefined : location,
    headers: result === 'updated' ? { 'Content-Location': location } : undefined,
    resource: await contentFor(services, request, context.principal, written),
    ...(written.issues.length === 0 ? {} : { outcome: outcomeOf(written.issues) }),
  };
}

async function contentFor(
  services: AnswerServices,
  { prefer }: Pick<FhirRequest, 'prefer'>,
  principal: Principal,
  { row, text, issues, result, resourceType, id }: Written,
): Promise<FhirResponse['resource']> {
  if (prefer.return === 'minimal' || row === undefined) return undefined;
  if (prefer.return === 'OperationOutcome') {
    return issues.length > 0 ? outcomeOf(issues) : allOk(`${resourceType}/${id} is ${result}.`);
  }
  return text ?? contentOf(services, principal, row);
}
