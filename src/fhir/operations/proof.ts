/** `$proof` and `$disclose`: a version, whole or in parts, with everything needed to verify it against the chain. Format: docs/poi.md. */
import { signedElements } from '../../anchoring/disclosed-sd-jwt.js';
import { buildProof, type ProofRequest, type ProofSource } from '../../anchoring/proof-builder.js';
import { fhirError } from '../../base/outcome.js';
import type { Resource } from '../../base/resource.js';
import type { VersionRow } from '../../commit/catalog.js';
import { requireScope } from '../access.js';
import { instanceOf, isPresentation, type PathParameters } from '../interactions/interaction.js';
import { release } from '../interactions/release.js';
import type { Context, FhirRequest } from '../request.js';
import type { FhirServices } from '../services.js';
import { hiddenLabels } from '../visible-content.js';
import { unknown } from '../write/targets.js';
import type { Operation } from './operation.js';

const offered = { levels: ['instance', 'version'], isSafe: true } as const;

/** Both operations on the log that `proofs` stands on. */
export function proofOperations(proofs: ProofSource): Operation[] {
  const proved = async (
    services: FhirServices,
    context: Context,
    place: PathParameters,
    name: string,
    show?: ProofRequest['show'],
  ) => {
    const row = await releasedVersion(services, context, place, name);
    return { status: 200, resource: (await buildProof(proofs, row, { show })) as unknown as Resource };
  };
  return [
    {
      ...offered,
      name: 'proof',
      definition: 'urn:mooring:OperationDefinition:proof',
      run: (services, _request, context, place) => proved(services, context, place, 'proof'),
    },
    {
      ...offered,
      name: 'disclose',
      definition: 'urn:mooring:OperationDefinition:disclose',
      async run(services, request, context, place) {
        const { elements, form } = disclosureIn(request);
        if (form === 'proof') return proved(services, context, place, 'disclose', { elements });
        const row = await releasedVersion(services, context, place, 'disclose');
        const text = await signedElements(proofs, row, elements, services.search.baseUrl, services.clock.now());
        const parameter = [{ name: 'sdJwt', valueString: text }];
        return { status: 200, resource: { resourceType: 'Parameters', parameter } as unknown as Resource };
      },
    },
  ];
}

/** The row of the version in question, decided upon and recorded as any read. @throws FhirError 404 */
async function releasedVersion(
  services: FhirServices,
  context: Context,
  place: PathParameters,
  name: string,
): Promise<VersionRow> {
  const { type, id } = instanceOf(place);
  requireScope(context.principal, type, 'r');
  const resource = services.names.resource(type, id);
  const { versionId } = place;
  const isNumber = versionId !== undefined && /^[1-9][0-9]{0,9}$/.test(versionId);
  const row =
    versionId === undefined
      ? await services.catalog.current(resource, services.catalog.head().seq)
      : isNumber
        ? await services.catalog.version(resource, Number(versionId))
        : undefined;
  const action = name === 'disclose' ? 'disclose' : 'access';
  if (row === undefined || !(await release(services, context, name, row, action))) throw unknown(type, id);
  // A proof is of the whole, and of its number of elements: who sees a part gets none.
  if ((await hiddenLabels(services, context.principal, row, action)).size > 0) throw unknown(type, id);
  return row;
}

/** What a request for `$disclose` asks for. @throws FhirError 400 */
function disclosureIn({ query }: FhirRequest): { elements: string[]; form: 'proof' | 'sd-jwt' } {
  const other = query.find(([name]) => name !== 'element' && name !== 'as' && !isPresentation(name));
  if (other !== undefined)
    throw fhirError(400, 'invalid', `"${other[0]}" is no parameter of $disclose; expected "element" or "as".`);
  const elements = query.filter(([name]) => name === 'element').map(([, value]) => value);
  if (elements.length === 0)
    throw fhirError(400, 'required', 'No element is named; expected e.g. element=Observation.code.');
  const form = query.find(([name]) => name === 'as')?.[1] ?? 'proof';
  if (form !== 'proof' && form !== 'sd-jwt')
    throw fhirError(400, 'invalid', `as is "${form}"; expected "proof" or "sd-jwt".`);
  return { elements, form };
}
