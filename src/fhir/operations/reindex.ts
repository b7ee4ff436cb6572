/**
 * `$reindex`: makes resources that are older than a search parameter findable by it.
 *
 * POST starts the job, unless it runs by itself already (202, with its status URL in Content-Location), GET tells how it stands: 202 with X-Progress
 * while it runs, then 200.
 */
import { fhirError } from '../../base/outcome.js';
import type { Resource } from '../../base/resource.js';
import { requireScope } from '../access.js';
import { recordRelease } from '../interactions/release.js';
import type { Reindexer, ReindexProgress } from '../reindex/reindexer.js';
import type { LateParameters } from '../reindex/late-parameters.js';
import type { Context, FhirResponse } from '../request.js';
import type { Operation } from './operation.js';

export interface ReindexParts {
  readonly reindexer: Pick<Reindexer, 'start' | 'state'>;
  readonly late: Pick<LateParameters, 'missing'>;
}

export function reindexOperation({ reindexer, late }: ReindexParts): Operation {
  return {
    name: 'reindex',
    definition: 'urn:mooring:OperationDefinition:reindex',
    levels: ['system'],
    isSafe: true,
    async run(services, request, context) {
      requireScope(context.principal, 'SearchParameter', request.method === 'POST' ? 'u' : 'r');
      await recordRelease(services, context, 'reindex', 'permit', []);
      const isStart = request.method === 'POST';
      const progress = await (isStart ? reindexer.start() : reindexer.state());
      if (progress === undefined) {
        throw fhirError(404, 'not-found', 'Nothing was indexed anew yet; POST to $reindex starts it.');
      }
      const said = answer(
        context,
        progress,
        late.missing.map(({ url }) => url),
      );
      return isStart ? { ...said, status: 202 } : said;
    },
  };
}

function answer({ baseUrl }: Context, progress: ReindexProgress, missing: readonly string[]): FhirResponse {
  const { status, done, total, changed, started, ended } = progress;
  const percent = total === 0 ? (status === 'active' ? 0 : 100) : Math.floor((100 * done) / total);
  const parameter = [
    { name: 'status', valueCode: status },
    { name: 'percent', valueInteger: percent },
    { name: 'done', valueInteger: done },
    { name: 'total', valueInteger: total },
    { name: 'changed', valueInteger: changed },
    { name: 'started', valueInstant: new Date(started).toISOString() },
    ...(ended === undefined ? [] : [{ name: 'ended', valueInstant: new Date(ended).toISOString() }]),
    ...missing.map((url) => ({ name: 'notIndexed', valueUri: url })),
  ];
  const isActive = status === 'active';
  return {
    status: isActive ? 202 : 200,
    headers: {
      'Content-Location': `${baseUrl}/$reindex`,
      ...(isActive ? { 'X-Progress': `${percent}% (${done} of ${total} versions)`, 'Retry-After': '1' } : {}),
    },
    resource: { resourceType: 'Parameters', parameter } as unknown as Resource,
  };
}
