/**
 * `Patient/id/$shared`: the bundle with which a recipient opens, without this server, what the patient's consents let it read.
 * `Group/id/$publish-members`: the members of a Group on the chain, blinded, and the group's keys sealed for them.
 *
 * Formats: src/vault/share-bundle.ts, docs/consent.md "Sharing keys".
 */
import { fhirError } from '../../base/outcome.js';
import type { Resource } from '../../base/resource.js';
import type { Principal } from '../../consent/gate.js';
import type { MembershipChange } from '../../consent/group-memberships.js';
import { hpkeKeyBytes } from '../../vault/hpke.js';
import { recordAccess } from '../access-record.js';
import { instanceOf, isPresentation } from '../interactions/interaction.js';
import { release } from '../interactions/release.js';
import type { FhirServices } from '../services.js';
import type { GroupKeys } from '../sharing/group-keys.js';
import type { Sharing } from '../sharing/sharing.js';
import { unknown } from '../write/targets.js';
import type { Operation } from './operation.js';

export interface SharingParts {
  readonly sharing: Pick<Sharing, 'bundle'>;
  readonly groupKeys: Pick<GroupKeys, 'setMembers' | 'namesOf'>;
  /** Puts members on the chain. @throws ChainUnavailable */
  publishMembers(group: string, members: readonly string[]): Promise<MembershipChange>;
}

export function sharingOperations(parts: SharingParts): Operation[] {
  return [sharedOperation(parts), publishMembersOperation(parts)];
}

function sharedOperation({ sharing }: SharingParts): Operation {
  return {
    name: 'shared',
    definition: 'urn:mooring:OperationDefinition:shared',
    levels: ['instance'],
    types: ['Patient'],
    isSafe: true,
    async run(services, request, context, place) {
      const { type, id } = instanceOf(place);
      const { principal } = context;
      const recipient = recipientOf(request.query, principal);
      const bundle = mayFetch(services, principal, id, recipient) ? await sharing.bundle(id, recipient) : undefined;
      const patients = bundle === undefined ? [] : [id];
      const outcome = bundle === undefined ? 'deny' : 'permit';
      await recordAccess(services, context, { interaction: 'shared', outcome, entities: [`${type}/${id}`], patients });
      if (bundle === undefined) throw unknown(type, id);
      const data = Buffer.from(JSON.stringify(bundle)).toString('base64');
      return {
        status: 200,
        resource: { resourceType: 'Binary', contentType: 'application/json', data } as unknown as Resource,
      };
    },
  };
}

/** Nobody but the recipient can open it; who else may know that there is a share: the patient, and the operator. */
function mayFetch({ config }: FhirServices, principal: Principal, patientId: string, recipient: string): boolean {
  const { actor, memberships } = principal;
  const isRecipient = actor === recipient || memberships.includes(recipient);
  return isRecipient || actor === `Patient/${patientId}` || actor === config.organization;
}

function recipientOf(query: readonly (readonly [string, string])[], principal: Principal): string {
  const other = query.find(([name]) => name !== 'recipient' && !isPresentation(name));
  if (other !== undefined) {
    throw fhirError(400, 'invalid', `"${other[0]}" is no parameter of $shared; expected "recipient".`);
  }
  return query.find(([name]) => name === 'recipient')?.[1] ?? principal.actor;
}

function publishMembersOperation(parts: SharingParts): Operation {
  return {
    name: 'publish-members',
    definition: 'urn:mooring:OperationDefinition:publish-members',
    levels: ['instance'],
    types: ['Group'],
    isSafe: false,
    async run(services, request, context, place) {
      const { type, id } = instanceOf(place);
      if (context.principal.actor !== services.config.organization) {
        throw fhirError(403, 'forbidden', 'Members of groups are published by the organisation that runs this server.');
      }
      const row = await services.catalog.current(services.names.resource(type, id), services.catalog.head().seq);
      if (row === undefined || row.isDeleted || !(await release(services, context, 'publish-members', row))) {
        throw unknown(type, id);
      }
      const group = `${type}/${id}`;
      const members = membersOf((await services.opened.text(row)).value() as unknown as Resource);
      const keys = keysOf(request.body, members);
      const change = await parts.publishMembers(group, members);
      const sealed = keys.size === 0 ? undefined : await parts.groupKeys.setMembers(group, keys);
      const names = await parts.groupKeys.namesOf(group);
      const parameter = [
        { name: 'members', valueInteger: members.length },
        { name: 'added', valueInteger: change.added },
        { name: 'removed', valueInteger: change.removed },
        ...(change.txHash === undefined ? [] : [{ name: 'transaction', valueString: change.txHash }]),
        ...(sealed === undefined ? [] : [{ name: 'epoch', valueInteger: sealed.epoch }]),
        ...[...names].map(([member, name]) => ({
          name: 'key-name',
          part: [
            { name: 'member', valueString: member },
            { name: 'name', valueString: name },
          ],
        })),
      ];
      return { status: 200, resource: { resourceType: 'Parameters', parameter } as unknown as Resource };
    },
  };
}

interface Member {
  readonly entity?: { readonly reference?: string };
  readonly inactive?: boolean;
}

/** References of the active members. */
function membersOf(group: Resource): string[] {
  const { member = [] } = group as Resource & { member?: readonly Member[] };
  const references = member.filter(({ inactive }) => inactive !== true).map(({ entity }) => entity?.reference ?? '');
  return [...new Set(references.filter((one) => one !== ''))];
}

interface KeyParameter {
  readonly name?: string;
  readonly part?: readonly { readonly name?: string; readonly valueString?: string }[];
}

/** Parameters `key` with the parts `member` (a reference) and `publicKey` (X25519, base64url). @throws FhirError 400 */
function keysOf(body: unknown, members: readonly string[]): Map<string, Uint8Array> {
  const keys = new Map<string, Uint8Array>();
  const { parameter } = (body ?? {}) as { parameter?: readonly KeyParameter[] };
  for (const { name, part = [] } of Array.isArray(parameter) ? (parameter as KeyParameter[]) : []) {
    const text = (one: string) => part.find((given) => given.name === one)?.valueString ?? '';
    const publicKey = Buffer.from(text('publicKey'), 'base64url');
    if (name !== 'key' || publicKey.byteLength !== hpkeKeyBytes || !members.includes(text('member'))) {
      const expected =
        'expected parameters "key" with parts "member" (one of the Group) and "publicKey" (X25519, base64url)';
      throw fhirError(400, 'invalid', `Parameters.parameter: ${expected}.`, 'Parameters.parameter');
    }
    keys.set(text('member'), new Uint8Array(publicKey));
  }
  return keys;
}
