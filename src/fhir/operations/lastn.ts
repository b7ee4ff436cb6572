/** `$lastn`: the newest Observations of each code. Spec: https://hl7.org/fhir/R4/observation-operation-lastn.html */
import { fhirError } from '../../base/outcome.js';
import type { Resource } from '../../base/resource.js';
import type { VersionRow } from '../../commit/catalog.js';
import { requireScope } from '../access.js';
import { included } from '../interactions/include.js';
import { isPresentation } from '../interactions/interaction.js';
import { recordRelease } from '../interactions/release.js';
import { findPage } from '../interactions/search-page.js';
import { searchset } from '../interactions/searchset.js';
import { settledQuery } from '../interactions/settled-query.js';
import { Slices } from '../../base/pause.js';
import type { FhirRequest, Query } from '../request.js';
import { parseSearch } from '../search/query.js';
import { Input } from '../terminology/operations/parameters.js';
import type { Operation } from './operation.js';
import { contentOfRow } from './stored.js';

/** Observations that are looked at: each is opened for its code. */
const mostObservations = 10_000;

export const lastnOperation: Operation = {
  name: 'lastn',
  definition: 'http://hl7.org/fhir/OperationDefinition/Observation-lastn',
  levels: ['type'],
  types: ['Observation'],
  isSafe: true,
  async run(services, request, context) {
    requireScope(context.principal, 'Observation', 's');
    const { criteria, max } = wantedOf(request);
    const handling = request.prefer.handling === 'lenient' ? 'lenient' : 'strict';
    const parsed = parseSearch(services.search, 'Observation', [...criteria, ['_sort', '-date']], handling);
    const asOf = services.catalog.head().seq;
    const query = await settledQuery(services, context.principal, parsed, asOf);
    const { rows } = await findPage(services, context, query, mostObservations + 1, asOf, undefined);
    if (rows.length > mostObservations) {
      const diagnostics = `More than ${mostObservations} Observations match; narrow $lastn by code, category or date.`;
      throw fhirError(400, 'too-costly', diagnostics);
    }
    const groups = new CodeGroups();
    const coded: { readonly row: VersionRow; readonly keys: readonly string[] }[] = [];
    const slices = new Slices();
    for (const row of rows) {
      const keys = keysOf(await contentOfRow(services, context, row));
      groups.join(keys);
      coded.push({ row, keys });
      await slices.turn();
    }
    const taken = new Map<string, number>();
    const newest = coded.flatMap(({ row, keys }) => {
      const group = groups.of(keys);
      const count = (taken.get(group) ?? 0) + 1;
      taken.set(group, count);
      return count <= max ? [row] : [];
    });
    const extra = await included(services, context, query, newest, asOf);
    await recordRelease(services, context, 'lastn', 'permit', [...newest, ...extra]);
    const applied = [...criteria, ['max', String(max)] as const];
    const text = applied.map(([name, value]) => `${encodeURIComponent(name)}=${encodeURIComponent(value)}`).join('&');
    const link = [{ relation: 'self', url: `${context.baseUrl}/Observation/$lastn?${text}` }];
    const page = { rows: newest, total: newest.length };
    return { status: 200, resource: await searchset(services, context, query, page, extra, link) };
  },
};

/** Criteria as in a search, by the query or by Parameters. @throws FhirError 400 when patient or code is missing. */
function wantedOf({ query, body }: FhirRequest): { readonly criteria: Query; readonly max: number } {
  const input = Input.of(query, body);
  const max = input.count('max') ?? 1;
  if (max < 1) throw fhirError(400, 'invalid', 'max is expected to be 1 or more.');
  const criteria = [...query, ...pairsOf(body)].filter(([name]) => name !== 'max' && !isPresentation(name));
  const has = (names: readonly string[]) =>
    criteria.some(([name, value]) => value !== '' && names.includes(name.split(/[:.]/)[0]));
  if (!has(['patient', 'subject'])) {
    throw fhirError(400, 'required', '$lastn needs whose Observations are meant: patient or subject.');
  }
  if (!has(['code', 'category', 'combo-code'])) {
    throw fhirError(400, 'required', '$lastn needs which Observations are meant: code or category.');
  }
  const odd = criteria.find(([name]) => name === '_sort' || name === '_count' || name === '_total');
  if (odd !== undefined) {
    throw fhirError(400, 'invalid', `${odd[0]} cannot be asked for: $lastn orders by date and counts by max.`);
  }
  return { criteria, max };
}

function pairsOf(body: unknown): Query {
  const { parameter } = (body ?? {}) as { parameter?: readonly Record<string, unknown>[] };
  return (parameter ?? []).flatMap((one) => {
    const value = Object.entries(one).find(([key]) => key.startsWith('value'))?.[1];
    const isText = typeof value === 'string' || typeof value === 'number' || typeof value === 'boolean';
    return typeof one.name === 'string' && isText ? [[one.name, String(value)] as const] : [];
  });
}

/** What makes two Observations alike: any coding in common, or without codings the same text. */
function keysOf({ code }: Resource): string[] {
  const { coding, text } = (code ?? {}) as { coding?: readonly Record<string, unknown>[]; text?: unknown };
  const codings = (coding ?? [])
    .filter((one) => one.code !== undefined)
    .map((one) => JSON.stringify([one.system ?? '', one.code]));
  return codings.length > 0 ? codings : [JSON.stringify([text ?? ''])];
}

/** Sets of codes that occurred together (translations of each other). */
class CodeGroups {
  private readonly parents = new Map<string, string>();

  join(keys: readonly string[]): void {
    for (const key of keys) this.parents.set(this.root(key), this.root(keys[0]));
  }

  of(keys: readonly string[]): string {
    return this.root(keys[0]);
  }

  private root(key: string): string {
    let root = key;
    for (
      let parent = this.parents.get(root);
      parent !== undefined && parent !== root;
      parent = this.parents.get(root)
    ) {
      root = parent;
    }
    return root;
  }
}
