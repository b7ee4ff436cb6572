import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { describe, it } from 'node:test';
import { FhirError } from '../../src/base/outcome.js';
import type { Principal } from '../../src/consent/gate.js';
import { loadDefinitions } from '../../src/fhir/definitions/definitions.js';
import { doorOperations } from '../../src/fhir/operations/all.js';
import type { FhirRequest } from '../../src/fhir/request.js';
import { createRouter } from '../../src/fhir/router.js';
import { routes, type Route } from '../../src/fhir/routes.js';
import type { FhirServices } from '../../src/fhir/services.js';
import { permissionOf, RoleMatrix, type RoleMatrixFile } from '../../src/smart/role-matrix.js';
import { roles, rolesOf, type Role } from '../../src/smart/roles.js';

const file = JSON.parse(
  readFileSync(new URL('../../../profiles/role-matrix.json', import.meta.url), 'utf8'),
) as RoleMatrixFile;
const matrix = new RoleMatrix(file);
const definitions = loadDefinitions();

/** The rules of the file, read anew and plainly: what the look-up must agree with. */
function isWritten(role: Role, interaction: string, type: string): boolean {
  const names = (rule: { types: readonly string[] }) =>
    rule.types.flatMap((name) => {
      const sign = name.startsWith('-') ? '-' : '';
      const plain = name.replace('-', '');
      return (file.groups[plain] ?? [plain]).map((one) => sign + one);
    });
  const rules = file.roles[role].filter(({ interactions }) => interactions.includes(interaction));
  const all = rules.flatMap(names);
  return all.includes(type) || (all.includes('*') && !all.includes(`-${type}`));
}

/** What stands behind the role: whoever gets as far as any store has passed. */
class Passed extends Error {}

/** The router looks at the epoch of the index before anything else; whoever looks at more has passed. */
const behindSearch = new Proxy(
  {},
  {
    get(_target, name) {
      if (name === 'blinder') return { epoch: 0 };
      throw new Passed();
    },
  },
);

const optional = new Set(['refresh', 'emergencies', 'breakGlass', 'consents', 'subscriptions']);

const behind = new Proxy({} as FhirServices, {
  get(_target, name) {
    if (name === 'definitions') return definitions;
    if (name === 'operations') return [];
    if (name === 'search') return behindSearch;
    if (name === 'config') return { organization: 'Organization/self' };
    if (name === 'accessLog') return { append: () => Promise.resolve() };
    if (name === 'clock') return { now: () => 0 };
    // Parts that a server may do without.
    if (optional.has(String(name))) return undefined;
    throw new Passed();
  },
});

const words: Partial<Record<Route['code'], string>> = {
  read: 'read',
  vread: 'read',
  'history-instance': 'read',
  'search-type': 'search',
  'history-type': 'search',
  'search-compartment': 'search',
  create: 'create',
  update: 'update',
  patch: 'update',
  delete: 'delete',
};

function principalWith(role: Role): Principal {
  return {
    actor: 'Device/x',
    memberships: [],
    purposeOfUse: 'TREAT',
    scopes: ['system/*.cruds'],
    roles: [role],
    role: matrix.grantFor([role]),
  };
}

function requestFor({ method, path }: Route, type: string): FhirRequest {
  const segments = path
    .split('/')
    .map((segment) => (segment === ':type' && path.includes(':memberType') ? 'Patient' : segment))
    .map((segment) => ({ ':type': type, ':memberType': type, ':id': 'x', ':versionId': '1' })[segment] ?? segment);
  const body = method === 'PATCH' ? [] : { resourceType: type, id: 'x' };
  const withBody = method === 'GET' || method === 'DELETE' ? {} : { body };
  const query = method !== 'POST' && path === ':type' && method !== 'GET' ? ([['_id', 'x']] as const) : [];
  return {
    method,
    path: segments,
    query,
    prefer: {},
    ...withBody,
    bodyFormat: method === 'PATCH' ? 'json-patch' : 'json',
  };
}

describe('the role matrix', () => {
  const handle = createRouter(behind);

  for (const role of roles) {
    it(`is what the router does: ${role}, every interaction, every type`, async () => {
      const principal = principalWith(role);
      let walked = 0;
      let refused = 0;
      for (const route of routes) {
        const word = words[route.code];
        if (word === undefined) continue;
        for (const type of definitions.resourceTypes) {
          walked += 1;
          const context = { principal, requestId: 'x', baseUrl: 'http://x/fhir' };
          const error = await handle(requestFor(route, type), context).then(
            () => undefined,
            (thrown: unknown) => thrown,
          );
          const isRefused = error instanceof FhirError && error.status === 403;
          if (isRefused) {
            refused += 1;
            assert.match(error.message, new RegExp(`roles of the actor \\(${role}\\)`));
          }
          assert.equal(!isRefused, isWritten(role, word, type), `${role} ${route.code} ${type}: ${String(error)}`);
        }
      }
      assert.ok(walked > 1_500, `${walked} walked`);
      assert.ok(role === 'system' ? refused > 0 : refused > 100, `${refused} refused`);
    });
  }

  it('is what the router does: every operation of the server, at every level, for every role', async () => {
    // Only what stands before an operation is looked at: none runs.
    const stop = () => Promise.reject(new Passed());
    const nobody: never = new Proxy({}, { get: () => nobody }) as never;
    const offered = doorOperations({
      definitions: nobody,
      erasure: nobody,
      reindexing: nobody,
      sharing: nobody,
      rotations: nobody,
      consent: nobody,
      launches: nobody,
      proofs: nobody,
    }).map((operation) => ({ ...operation, run: stop }));
    const services = new Proxy(behind, {
      get: (target, name) =>
        name === 'operations' ? offered : (target as never as Record<string, unknown>)[String(name)],
    });
    const handle = createRouter(services);
    const paths = {
      system: () => [],
      type: (type: string) => [type],
      instance: (type: string) => [type, 'x'],
      version: (type: string) => [type, 'x', '_history', '1'],
    };
    let refused = 0;
    for (const { name, levels, types = ['Patient'] } of offered) {
      for (const level of levels) {
        for (const role of roles) {
          const path = [...paths[level](types[0]), `$${name}`];
          const request = {
            method: 'POST',
            path,
            query: [],
            prefer: {},
            body: { resourceType: 'Parameters' },
          } as const;
          const context = { principal: principalWith(role), requestId: 'x', baseUrl: 'http://x/fhir' };
          const error: unknown = await handle(request, context).catch((thrown: unknown) => thrown);
          const isWritten = file.operations[name]?.includes(role) ?? true;
          if (!isWritten) refused += 1;
          const status = error instanceof FhirError ? error.status : undefined;
          assert.equal(status, isWritten ? undefined : 403, `${role} $${name} at ${level}: ${String(error)}`);
          assert.ok(!isWritten || error instanceof Passed, `${role} $${name}: ${String(error)}`);
        }
      }
    }
    assert.ok(offered.length > 30 && refused > 20, `${offered.length} operations, ${refused} refused`);
    const names = new Set(offered.map(({ name }) => name));
    const dead = Object.keys(file.operations).filter((name) => !names.has(name));
    assert.deepEqual(dead, [], 'the file names no operation that is not there');
  });

  it('says of each role what it is for', () => {
    const may = (role: Role, interaction: string, type: string) =>
      matrix.grantFor([role]).may(permissionOf[interaction], type);
    assert.ok(may('patient', 'read', 'AuditEvent') && !may('patient', 'create', 'MedicationRequest'));
    assert.ok(may('practitioner', 'create', 'MedicationRequest') && !may('practitioner', 'read', 'AuditEvent'));
    assert.ok(
      may('practitioner', 'read', 'StructureDefinition') && !may('practitioner', 'update', 'StructureDefinition'),
    );
    assert.ok(may('system', 'create', 'AuditEvent') && !may('system', 'update', 'AuditEvent'));
    assert.ok(may('auditor', 'read', 'AuditEvent') && !may('auditor', 'read', 'Observation'));
    assert.ok(may('operator', 'update', 'SearchParameter') && !may('operator', 'read', 'Patient'));
    assert.ok(roles.every((role) => role === 'system' || !may(role, 'update', 'AuditEvent')));
  });

  it('of several roles each adds its own; no role may do nothing', () => {
    const both = matrix.grantFor(['auditor', 'practitioner']);
    assert.ok(both.may('r', 'AuditEvent') && both.may('c', 'Observation'));
    assert.ok(!matrix.grantFor([]).may('r', 'Patient') && !matrix.grantFor([]).mayCall('everything'));
    assert.ok(both.mayCall('launch-context') && !matrix.grantFor(['auditor']).mayCall('launch-context'));
  });

  it('roles follow from the type of the actor where the token names none; auditors and operators are named', () => {
    const own = 'Organization/self';
    assert.deepEqual(rolesOf({ actor: 'Practitioner/1' }, own), ['practitioner']);
    assert.deepEqual(rolesOf({ actor: 'RelatedPerson/1' }, own), ['patient']);
    assert.deepEqual(rolesOf({ actor: 'Organization/2' }, own), ['system']);
    assert.deepEqual(rolesOf({ actor: own }, own), ['system', 'operator', 'auditor']);
    assert.deepEqual(rolesOf({ actor: 'Practitioner/1', roles: ['auditor'] }, own), ['auditor']);
    assert.deepEqual(rolesOf({ actor: 'Endpoint/1' }, own), []);
  });

  it('a file that is not understood stops the start, and says where', () => {
    const wrong = (change: object) => () => new RoleMatrix({ ...file, ...change });
    assert.throws(wrong({ roles: { king: [] } }), /"king" is no role/);
    assert.throws(
      wrong({ roles: { patient: [{ types: ['nothing'], interactions: ['read'] }] } }),
      /neither a type nor a group/,
    );
    assert.throws(wrong({ roles: { patient: [{ types: ['*'], interactions: ['see'] }] } }), /"see" is no interaction/);
    assert.throws(wrong({ operations: { proof: ['king'] } }), /"king" is no role/);
  });
});
