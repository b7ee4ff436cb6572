/**
 * `$match`: which Patients here may be the one described. Spec: https://hl7.org/fhir/R4/patient-operation-match.html
 *
 * Candidates come from the blind index (an identifier, or two of name, birth date, telecom and address in common); only those that the
 * principal may see are opened and scored.
 */
import { fhirError } from '../../base/outcome.js';
import type { Resource } from '../../base/resource.js';
import type { VersionRow } from '../../commit/catalog.js';
import { mayRead, requireScope } from '../access.js';
import { VisibleMatches } from '../interactions/visible-matches.js';
import { recordRelease } from '../interactions/release.js';
import { Slices } from '../../base/pause.js';
import type { Context } from '../request.js';
import { parseSearch } from '../search/query.js';
import type { FhirServices } from '../services.js';
import { Input } from '../terminology/operations/parameters.js';
import { blockingSearches } from './match-candidates.js';
import { gradeOf, scoreOf } from './match-score.js';
import type { Operation } from './operation.js';
import { contentOfRow, marked } from './stored.js';

/** Candidates of one search; one that finds more tells little and is left to the others. */
const mostCandidates = 500;

const gradeUrl = 'http://hl7.org/fhir/StructureDefinition/match-grade';

interface Match {
  readonly row: VersionRow;
  readonly score: number;
  readonly grade: ReturnType<typeof gradeOf>;
}

export const matchOperation: Operation = {
  name: 'match',
  definition: 'http://hl7.org/fhir/OperationDefinition/Patient-match',
  levels: ['type'],
  types: ['Patient'],
  isSafe: false,
  async run(services, request, context) {
    requireScope(context.principal, 'Patient', 's');
    const input = Input.of([], request.body, 'resource');
    const wanted = input.resource('resource');
    if (wanted?.resourceType !== 'Patient') {
      const place = "Parameters.parameter.where(name = 'resource')";
      throw fhirError(
        400,
        'required',
        'The parameter resource is missing: a Patient that says whom to look for.',
        place,
      );
    }
    const onlyCertain = input.boolean('onlyCertainMatches') ?? false;
    const most = Math.min(input.count('count') ?? services.config.defaultCount, services.config.maxCount);
    const matches: Match[] = [];
    const slices = new Slices();
    for (const row of await candidates(services, context, wanted)) {
      const score = scoreOf(wanted, await contentOfRow(services, context, row));
      const grade = gradeOf(score);
      if (grade !== 'certainly-not' && (!onlyCertain || grade === 'certain'))
        matches.push({ row, score: score.value, grade });
      await slices.turn();
    }
    const best = matches.sort((a, b) => b.score - a.score || b.row.leafIndex - a.row.leafIndex).slice(0, most);
    await recordRelease(
      services,
      context,
      'match',
      'permit',
      best.map(({ row }) => row),
    );
    const entry = await Promise.all(best.map((match) => entryOf(services, context, match)));
    const bundle = {
      resourceType: 'Bundle',
      ...marked(
        services,
        best.map(({ row }) => row),
      ),
      type: 'searchset',
      total: best.length,
      ...(entry.length > 0 ? { entry } : {}),
    };
    return { status: 200, resource: bundle };
  },
};

/**
 * Found by what the principal sees of them: a hidden identifier makes nobody a candidate.
 * @throws FhirError 422 when the description is too thin to look by.
 */
async function candidates(services: FhirServices, { principal }: Context, wanted: Resource): Promise<VersionRow[]> {
  const searches = blockingSearches(wanted);
  if (searches.length === 0) {
    const diagnostics =
      'The Patient says too little; expected an identifier, or two of name, birthDate, telecom, address.';
    throw fhirError(422, 'business-rule', diagnostics, 'Patient');
  }
  const asOf = services.catalog.head().seq;
  const matches = new VisibleMatches(services, principal, asOf);
  const found = new Map<number, VersionRow>();
  for (const criteria of searches) {
    const { plan } = parseSearch(services.search, 'Patient', criteria, 'strict');
    const rows = await services.catalog.search({ plan, asOf, order: 'newest', limit: mostCandidates });
    const visible: VersionRow[] = [];
    for (const row of rows) if (await mayRead(services, principal, 's', row)) visible.push(row);
    for (const row of await matches.filter(plan, visible)) found.set(row.leafIndex, row);
  }
  return [...found.values()];
}

async function entryOf(services: FhirServices, context: Context, { row, score, grade }: Match) {
  const { resourceType, id } = services.opened.header(row);
  return {
    fullUrl: `${context.baseUrl}/${resourceType}/${id}`,
    resource: await contentOfRow(services, context, row),
    search: { extension: [{ url: gradeUrl, valueCode: grade }], mode: 'match', score },
  };
}
