/** `$possession`: shows an auditor that the sealed blocks of random leaves are still here. Format: docs/poi.md, "Possession". */
import { fromHex } from '../../base/bytes.js';
import { fhirError } from '../../base/outcome.js';
import type { Resource } from '../../base/resource.js';
import { groupPart, hexPart, numberPart, type Part } from '../../anchoring/parameters.js';
import {
  possess,
  usualCount,
  type Challenge,
  type Possessed,
  type PossessionSource,
} from '../../anchoring/possession.js';
import { requireScope } from '../access.js';
import { isPresentation } from '../interactions/interaction.js';
import { recordRelease } from '../interactions/release.js';
import type { FhirRequest } from '../request.js';
import type { Operation } from './operation.js';

/** Each challenge is a block in the answer: more of them would fill the memory. */
const greatestCount = 2_000;

export function possessionOperation(source: PossessionSource): Operation {
  return {
    name: 'possession',
    definition: 'urn:mooring:OperationDefinition:possession',
    levels: ['system'],
    isSafe: true,
    async run(services, request, context) {
      requireScope(context.principal, 'AuditEvent', 'r');
      const challenge = challengeIn(request, source.tiles.size);
      await recordRelease(services, context, 'possession', 'permit', []);
      const parameter = (await possess(source, challenge)).map(leafPart);
      return {
        status: 200,
        isSealed: true,
        resource: { resourceType: 'Parameters', parameter } as unknown as Resource,
      };
    },
  };
}

function leafPart({ leafIndex, entry, leaf, block, inclusion }: Possessed): Part {
  const base64 = (name: string, bytes: Uint8Array): Part => ({
    name,
    valueBase64Binary: Buffer.from(bytes).toString('base64'),
  });
  return groupPart('leaf', [
    numberPart('index', leafIndex),
    ...(entry === undefined ? [] : [base64('entry', entry)]),
    ...(leaf === undefined ? [] : [hexPart('hash', leaf)]),
    ...(block === undefined ? [] : [base64('block', block)]),
    ...inclusion.map((hash) => hexPart('inclusion', hash)),
  ]);
}

function challengeIn({ query }: FhirRequest, logSize: number): Challenge {
  const given = new Map(query.filter(([name]) => !isPresentation(name)));
  const other = [...given.keys()].find((name) => !['seed', 'size', 'count'].includes(name));
  if (other !== undefined)
    throw fhirError(400, 'invalid', `"${other}" is no parameter of $possession; expected seed, size or count.`);
  const seed = given.get('seed') ?? '';
  if (!/^[0-9a-f]{64}$/.test(seed))
    throw fhirError(400, 'invalid', 'seed is expected to be 64 lower-case hexadecimal digits.');
  const [size, count] = [given.get('size') ?? '', given.get('count') ?? String(usualCount)].map(Number);
  if (!Number.isInteger(size) || size < 1 || size > logSize)
    throw fhirError(400, 'invalid', `size is expected to be 1 to ${logSize}, the leaves of the log.`);
  if (!Number.isInteger(count) || count < 1 || count > greatestCount)
    throw fhirError(400, 'invalid', `count is expected to be 1 to ${greatestCount}.`);
  return { seed: fromHex(seed), size, count };
}
