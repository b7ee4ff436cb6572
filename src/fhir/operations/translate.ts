/**
 * `$translate`: what a code is called in another code system, by the ConceptMaps that are stored here or given.
 *
 * Spec: https://hl7.org/fhir/R4/conceptmap-operation-translate.html
 */
import { fhirError } from '../../base/outcome.js';
import type { Coding, Resource } from '../../base/resource.js';
import type { VersionRow } from '../../commit/catalog.js';
import { mayRead, requireScope } from '../access.js';
import type { PathParameters } from '../interactions/interaction.js';
import { recordRelease } from '../interactions/release.js';
import type { Context } from '../request.js';
import { parseSearch } from '../search/query.js';
import type { FhirServices } from '../services.js';
import { isTranslated, translateBy, type ConceptMap, type Match, type Question } from '../terminology/concept-map.js';
import { Input, parametersOf, type OutputParameter } from '../terminology/operations/parameters.js';
import type { Operation } from './operation.js';
import { contentOfRow, subjectOf } from './stored.js';

/** Maps that are looked through when none is named. */
const mostMaps = 100;
/** Maps that pass a code on to one another. */
const mostPassedOn = 10;

export const translateOperation: Operation = {
  name: 'translate',
  definition: 'http://hl7.org/fhir/OperationDefinition/ConceptMap-translate',
  levels: ['type', 'instance'],
  types: ['ConceptMap'],
  isSafe: true,
  async run(services, request, context, place) {
    const input = Input.of(request.query, request.body);
    const questions = questionsOf(input);
    const maps = await mapsFor(services, context, place, input, questions);
    const parameter: OutputParameter[] = [];
    const matches: Match[] = [];
    for (const question of questions) {
      for (const map of maps) {
        for (const { source, match } of await translated(services, context, map, question, mostPassedOn)) {
          matches.push(match);
          parameter.push(matchParameter(match, source));
        }
      }
    }
    const result = isTranslated(matches);
    const message = result ? undefined : `No translation is known for ${questions.map(nameOf).join(', ')}.`;
    const head = [
      { name: 'result', valueBoolean: result },
      { name: 'message', valueString: message },
    ];
    return { status: 200, resource: parametersOf([...head, ...parameter]) };
  },
};

function questionsOf(input: Input): Question[] {
  const given = input.codeableConcept('codeableConcept')?.coding ?? [
    input.coding('coding') ?? {
      code: input.text('code'),
      system: input.text('system'),
      version: input.text('version'),
    },
  ];
  const dependencies = input.parts('dependency').map((part) => ({
    element: part.text('element') ?? '',
    codings: part.codeableConcept('concept')?.coding ?? [],
  }));
  const common = {
    targetSystem: input.text('targetsystem'),
    dependencies,
    isReverse: input.boolean('reverse') === true,
  };
  const isCoded = (coding: Coding): coding is Question['coding'] => typeof coding.code === 'string';
  const questions = given.filter(isCoded).map((coding) => ({ ...common, coding }));
  if (questions.length > 0) return questions;
  throw fhirError(400, 'required', "A code is needed: 'code' and 'system', 'coding' or 'codeableConcept'.");
}

function nameOf({ coding: { system, code } }: Question): string {
  return `'${code}'${system === undefined ? '' : ` of ${system}`}`;
}

/** The instance, the map that is given or named, else those of the systems in question. @throws FhirError 404 for an unknown map. */
async function mapsFor(
  services: FhirServices,
  context: Context,
  place: PathParameters,
  input: Input,
  questions: readonly Question[],
): Promise<ConceptMap[]> {
  if (place.id !== undefined) {
    return [asMap(await contentOfRow(services, context, await subjectOf(services, context, place, 'translate')))];
  }
  const given = input.resource('conceptMap');
  if (given !== undefined) return [asMap(given)];
  const url = input.text('url');
  if (url !== undefined) {
    const [map] = await mapsByUrl(services, context, url, input.text('conceptMapVersion'));
    if (map === undefined) throw fhirError(404, 'not-found', `The ConceptMap ${url} is not known here.`);
    return [map];
  }
  const systems = new Set(questions.map(({ coding }) => coding.system));
  if (systems.has(undefined)) throw fhirError(400, 'required', "Without a map ('url'), a code needs its 'system'.");
  const parameter = questions[0].isReverse ? 'target-system' : 'source-system';
  const maps = await search(
    services,
    context,
    [[parameter, [...systems].map((system) => escaped(system ?? '')).join(',')]],
    mostMaps,
  );
  return maps.filter((map) => isBetween(map, input.text('source'), input.text('target')));
}

/** Whether a map leads from one value set to another, as far as it and the question say. */
function isBetween(map: ConceptMap, source: string | undefined, target: string | undefined): boolean {
  const agrees = (wanted: string | undefined, stated: string | undefined) =>
    wanted === undefined || stated === undefined || stated.split('|')[0] === wanted.split('|')[0];
  return agrees(source, map.sourceUri ?? map.sourceCanonical) && agrees(target, map.targetUri ?? map.targetCanonical);
}

async function mapsByUrl(services: FhirServices, context: Context, canonical: string, version?: string) {
  const [url, ownVersion = version] = canonical.split('|');
  const criteria: [string, string][] = [['url', escaped(url)]];
  if (ownVersion !== undefined) criteria.push(['version', escaped(ownVersion)]);
  return search(services, context, criteria, 1);
}

/** A text as one value of a search parameter. */
function escaped(text: string): string {
  return text.replace(/[\\$|,]/g, '\\$&');
}

/** The newest that may be seen; what is used is written down as an access. */
async function search(
  services: FhirServices,
  context: Context,
  criteria: readonly (readonly [string, string])[],
  most: number,
): Promise<ConceptMap[]> {
  requireScope(context.principal, 'ConceptMap', 's');
  const { plan } = parseSearch(services.search, 'ConceptMap', criteria, 'strict');
  const asOf = services.catalog.head().seq;
  const rows: VersionRow[] = [];
  for (const row of await services.catalog.search({ plan, asOf, order: 'newest', limit: mostMaps })) {
    if (rows.length < most && (await mayRead(services, context.principal, 's', row))) rows.push(row);
  }
  await recordRelease(services, context, 'translate', 'permit', rows);
  return Promise.all(rows.map(async (row) => asMap(await contentOfRow(services, context, row))));
}

/** Translations by a map and by those that it passes unmapped codes on to. */
async function translated(
  services: FhirServices,
  context: Context,
  map: ConceptMap,
  question: Question,
  mostMore: number,
): Promise<{ source: string | undefined; match: Match }[]> {
  const { matches, otherMaps } = translateBy(map, question);
  const found = matches.map((match) => ({ source: map.url, match }));
  for (const url of mostMore > 0 ? otherMaps : []) {
    for (const other of await mapsByUrl(services, context, url)) {
      found.push(...(await translated(services, context, other, question, mostMore - 1)));
    }
  }
  return found;
}

function asMap(resource: Resource): ConceptMap {
  if (resource.resourceType === 'ConceptMap') return resource as unknown as ConceptMap;
  throw fhirError(400, 'invalid', `A ${resource.resourceType} was given; expected a ConceptMap.`);
}

function matchParameter({ equivalence, concept, products }: Match, source: string | undefined): OutputParameter {
  const part = [
    { name: 'equivalence', valueCode: equivalence },
    ...(concept === undefined ? [] : [{ name: 'concept', valueCoding: concept }]),
    ...products.map((product) => ({
      name: 'product',
      part: [
        { name: 'element', valueUri: product.element },
        { name: 'concept', valueCoding: product.concept },
      ],
    })),
    ...(source === undefined ? [] : [{ name: 'source', valueUri: source }]),
  ];
  return { name: 'match', part };
}
