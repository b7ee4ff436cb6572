/** `$rotate-keys`: starts a rotation of keys (POST, `key` = master, compartments or index) or tells how far one is (GET). Docs: docs/keys.md. */
import { fhirError } from '../../base/outcome.js';
import type { Resource } from '../../base/resource.js';
import type { RotatedKey, RotationState } from '../../commit/rotation.js';
import { rolesOf } from '../../smart/roles.js';
import { recordAccess } from '../access-record.js';
import { Input } from '../terminology/operations/parameters.js';
import type { Operation } from './operation.js';

/** The rotations of this server (wiring/rotations.ts). */
export interface RotationDesk {
  start(key: RotatedKey): Promise<void>;
  status(): Promise<{ readonly running?: RotationState; readonly failure?: string; readonly done?: RotatedKey }>;
}

const keys: readonly RotatedKey[] = ['master', 'compartments', 'index'];

export function rotateKeysOperation(rotations: RotationDesk): Operation {
  return {
    name: 'rotate-keys',
    definition: 'urn:mooring:OperationDefinition:rotate-keys',
    levels: ['system'],
    isSafe: true,
    async run({ config, ...services }, request, context) {
      if (!rolesOf(context.principal, config.organization).includes('operator')) {
        throw fhirError(403, 'forbidden', 'Keys are rotated by an operator alone.');
      }
      if (request.method === 'POST') {
        const key = keyIn(Input.of(request.query, request.body));
        await recordAccess(services, context, {
          interaction: 'rotate-keys',
          outcome: 'permit',
          entities: [],
          patients: [],
        });
        await rotations.start(key);
      }
      const resource = described(await rotations.status());
      return { status: request.method === 'POST' ? 202 : 200, resource };
    },
  };
}

function keyIn(input: Input): RotatedKey {
  const text = input.text('key') ?? '';
  const key = keys.find((known) => known === text);
  if (key === undefined)
    throw fhirError(400, 'invalid', `key is "${text.slice(0, 40)}"; expected one of ${keys.join(', ')}.`);
  return key;
}

function described({ running, failure, done }: Awaited<ReturnType<RotationDesk['status']>>): Resource {
  const text = (name: string, valueString: string | undefined) =>
    valueString === undefined ? [] : [{ name, valueString }];
  const number = (name: string, valueInteger: number) => ({ name, valueInteger });
  const parameter = [
    ...text('state', running === undefined ? 'none' : failure === undefined ? 'running' : 'failed'),
    ...text('key', running?.key),
    ...text('step', running?.step),
    ...(running === undefined ? [] : [number('done', running.done), number('total', running.total)]),
    ...text('failure', failure),
    ...text('last', done),
  ];
  return { resourceType: 'Parameters', parameter } as unknown as Resource;
}
