import assert from 'node:assert/strict';
import { generateKeyPairSync, randomUUID } from 'node:crypto';
import { after, before, describe, it } from 'node:test';
import { exportJWK, SignJWT } from 'jose';
import { run as account } from '../../../src/cli/account.js';
import { run as app } from '../../../src/cli/app.js';
import { run as keys } from '../../../src/cli/keys.js';
import { freeAttempts } from '../../../src/smart/accounts/throttle.js';
import { Browser, pkce } from './browser.js';
import { password, SmartWorld } from './world.js';

/** What stands in an AuditEvent about who did what, in short. */
interface Seen {
  readonly outcome: string;
  readonly why?: string;
  readonly client?: string;
  readonly user?: string;
  readonly address?: string;
  readonly patients: string[];
  readonly query?: string;
}

describe('sign-ins and tokens are AuditEvents', () => {
  let world: SmartWorld;
  let auditor: string;

  before(async () => {
    world = await SmartWorld.start();
    const scope = 'user/AuditEvent.rs';
    auditor = await world.server.tokenFor({ actor: 'Practitioner/aud', scope, roles: ['auditor'] });
  });
  after(() => world.stop());

  // eslint-disable-next-line @typescript-eslint/no-explicit-any
  const events = async (query: string, token = auditor): Promise<any[]> => {
    const { body, status, text } = await world.server.get(`AuditEvent?_count=200&${query}`, { token });
    assert.equal(status, 200, text);
    return (body.entry ?? []).map(({ resource }: { resource: unknown }) => resource);
  };
  const login = 'type=http://dicom.nema.org/resources/ontology/DCM|110114&subtype=110122';

  // eslint-disable-next-line @typescript-eslint/no-explicit-any
  function seen({ outcome, outcomeDesc, agent, entity }: any): Seen {
    const [client] = agent;
    const user = agent.find(({ requestor }: { requestor: boolean }) => requestor);
    const query = entity.find((one: { query?: string }) => one.query !== undefined)?.query;
    return {
      outcome,
      why: outcomeDesc,
      client: client.who.identifier?.value,
      user: user.who.reference,
      address: client.network?.address,
      patients: entity.flatMap(({ what, role }: { what?: { reference: string }; role?: { code: string } }) =>
        role?.code === '1' ? [what?.reference] : [],
      ),
      query: query === undefined ? undefined : Buffer.from(query as string, 'base64').toString(),
    };
  }

  const attempt = async (name: string, word: string) => {
    const browser = new Browser(world.origin);
    const page = await browser.open(world.authorizeUrl({ scope: 'patient/*.rs', code_challenge: pkce().challenge }));
    return browser.submit(page, '/login', { name, password: word });
  };

  it('a sign-in that succeeds, fails, or comes too often; what was typed is in none of them', async () => {
    const account = { displayName: 'E', fhirUser: 'Patient/bob', memberships: [], patients: [], purpose: 'PATRQT' };
    await world.accounts.add({ ...account, name: 'bob' }, password);
    await attempt('bob', 'wrong word');
    await attempt('my-password-by-mistake', 'x');
    await attempt('bob', password);
    await world.accounts.change('bob', { isLocked: true });
    await attempt('bob', password);
    await world.accounts.change('bob', { isLocked: false });
    for (let count = 0; count <= freeAttempts; count += 1) await attempt('bob', 'wrong word');
    const found = await events(login);
    assert.deepEqual(
      found.map(seen).map(({ outcome, why, user }) => [outcome, why, user]),
      [
        ['4', 'refused: throttled', 'Patient/bob'],
        ...Array.from({ length: freeAttempts }, () => ['4', 'refused: wrong-password', 'Patient/bob']),
        ['4', 'refused: locked', 'Patient/bob'],
        ['0', undefined, 'Patient/bob'],
        ['4', 'refused: unknown-name', undefined],
        ['4', 'refused: wrong-password', 'Patient/bob'],
      ],
    );
    for (const one of found.map(seen)) {
      assert.deepEqual([one.client, one.address, one.query], ['growth', '127.0.0.1', 'amr=pwd']);
    }
    assert.doesNotMatch(JSON.stringify(await events('')), /wrong word|my-password-by-mistake|correct horse/);
    await world.accounts.change('bob', { isLocked: false });
  });

  it('what a user allows or refuses, the tokens that follow, their refresh and their end', async () => {
    const scope = 'launch/patient offline_access patient/Patient.rs';
    const { body } = await world.launch({ scope });
    const refresh = { grant_type: 'refresh_token', refresh_token: body.refresh_token, client_id: 'growth' };
    const fresh = await world.token(refresh);
    assert.equal((await world.token(refresh)).status, 400, 'used twice');
    await world.post('revoke', { token: fresh.body.access_token, client_id: 'growth' });
    const again = await world.launch({ scope });
    await world.post('revoke', { token: again.body.refresh_token, client_id: 'growth' });
    const browser = new Browser(world.origin);
    const page = await world.toDecision(browser, { scope, code_challenge: pkce().challenge });
    await browser.submit(page, '/decide', { decision: 'deny' });

    const tokens = (await events('subtype=ITI-71&patient=ada')).map(seen);
    assert.deepEqual(
      tokens.map(({ outcome, user, client, patients, query }) => [outcome, user, client, patients, query]),
      [
        ['0', 'authorization_code'],
        ['4', 'refresh_token'],
        ['0', 'refresh_token'],
        ['0', 'authorization_code'],
      ].map(([outcome, grant]) => [
        outcome,
        'Patient/ada',
        'growth',
        ['Patient/ada'],
        `grant_type=${grant}&scope=launch%2Fpatient+offline_access+patient%2FPatient.rs`,
      ]),
    );
    const [refused] = (await events('subtype=ITI-71&outcome=4')).map(seen);
    assert.match(refused.why ?? '', /^refused: invalid_grant/);
    assert.equal(refused.client, 'growth');
    const decided = (await events('subtype=authorize')).map(seen);
    assert.deepEqual(
      decided.map(({ outcome, user, client }) => [outcome, user, client]),
      [
        ['4', 'Patient/ada', 'growth'],
        ['0', 'Patient/ada', 'growth'],
        ['0', 'Patient/ada', 'growth'],
      ],
    );
    const revoked = (await events('subtype=revoke')).map(seen);
    assert.deepEqual(
      revoked.map(({ outcome, user }) => [outcome, user]),
      [['0', 'Patient/ada']],
    );
    const all = JSON.stringify(await events(''));
    for (const secret of [body, fresh.body, again.body].flatMap((one) => [one.access_token, one.refresh_token]))
      assert.ok(!all.includes(secret as string) && !all.includes(Buffer.from(secret as string).toString('base64')));
  });

  it('a backend service that is given a token, and one whose assertion is not its own', async () => {
    const pair = generateKeyPairSync('ec', { namedCurve: 'P-384' });
    const jwks = { keys: [{ ...(await exportJWK(pair.publicKey)), kid: '1', alg: 'ES384', use: 'sig' }] };
    const actor = 'Organization/warehouse';
    await world.app({ id: 'warehouse', isBackend: true, scope: 'system/*.rs', jwks, actor });
    const ask = async (key = pair.privateKey) => {
      const aud = `${world.oauth}/token`;
      const exp = Math.floor(Date.now() / 1000) + 200;
      const client_assertion = await new SignJWT({ iss: 'warehouse', sub: 'warehouse', aud, jti: randomUUID(), exp })
        .setProtectedHeader({ alg: 'ES384', typ: 'JWT', kid: '1' })
        .sign(key);
      const client_assertion_type = 'urn:ietf:params:oauth:client-assertion-type:jwt-bearer';
      const scope = 'system/Observation.rs';
      return world.token({ grant_type: 'client_credentials', scope, client_assertion_type, client_assertion });
    };
    assert.equal((await ask()).status, 200);
    assert.equal((await ask(generateKeyPairSync('ec', { namedCurve: 'P-384' }).privateKey)).status, 401);
    const [refused, given] = (await events('subtype=ITI-71')).map(seen);
    assert.deepEqual([given.outcome, given.user, given.client], ['0', actor, 'warehouse']);
    assert.deepEqual([refused.outcome, refused.user, refused.client], ['4', undefined, 'warehouse']);
    assert.match(refused.why ?? '', /invalid_client/);
  });

  it('requests without a valid token, with what was asked for and why they were refused', async () => {
    const refused = async (token: string, url: string) =>
      assert.equal((await world.server.get(url, { token })).status, 401);
    await refused('', 'Patient/ada');
    await refused('nobody-knows-this', 'Patient?name=secret-name');
    const found = await events('type=110113&subtype=110126');
    assert.deepEqual(
      found
        .slice(0, 2)
        .map(({ outcome, outcomeDesc, entity, agent }) => [
          outcome,
          outcomeDesc,
          entity[0].what.reference,
          agent[0].network.address,
        ]),
      [
        ['4', 'refused: Not authenticated: the token is not known, or was revoked', undefined, '127.0.0.1'],
        ['4', 'refused: No token: expected the header "Authorization: Bearer <token>"', 'Patient/ada', '127.0.0.1'],
      ],
    );
    assert.doesNotMatch(JSON.stringify(found), /secret-name|nobody-knows-this/);
    assert.equal((await events('type=110113&address=127.0.0.1')).length, found.length);
    assert.equal((await events('type=110113&address=10.')).length, 0);
    assert.equal((await events('site=here')).length, 0);
  });

  it('a patient sees her own, and none of the others; each is valid R4', async () => {
    const own = await world.server.tokenFor({ actor: 'Patient/ada', patient: 'ada', scope: 'patient/*.rs' });
    const mine = await events('type=110114', own);
    assert.ok(mine.length >= 6, String(mine.length));
    assert.ok(mine.every((one) => seen(one).patients.includes('Patient/ada')));
    assert.equal((await events('type=110113', own)).length, 0);
    const dr = await world.server.tokenFor({ actor: 'Practitioner/dr', scope: 'user/*.rs' });
    assert.equal((await world.server.get('AuditEvent?type=110114', { token: dr })).status, 403);
    for (const kind of ['110122', '110126', 'ITI-71', 'authorize', 'revoke']) {
      const [first] = await events(`subtype=${kind}`);
      const { body } = await world.server.post('AuditEvent/$validate', first);
      const errors = body.issue.filter(({ severity }: { severity: string }) => severity === 'error');
      assert.deepEqual(errors, [], JSON.stringify(first));
    }
  });

  it('what a user ends herself, and signing out', async () => {
    const browser = new Browser(world.origin);
    await world.launch({ scope: 'launch/patient offline_access patient/Patient.rs' }, { browser });
    const out = await browser.open(`${world.oauth}/logout`);
    const xsrf = /name="xsrf" value="([^"]+)"/.exec(out.text)?.[1] ?? '';
    assert.match((await browser.open(`${world.oauth}/logout/confirm`, { xsrf, logout: 'yes' })).text, /signed out/);
    const page = await browser.open(`${world.oauth}/apps`, { name: 'ada', password });
    const ticket = /name="ticket" value="([^"]+)"/.exec(page.text)?.[1] ?? '';
    const grant = /name="end" value="([^"]+)"/.exec(page.text)?.[1] ?? '';
    await browser.open(`${world.oauth}/apps`, { ticket, end: grant });
    const newest = (await events('type=110114&patient=ada')).slice(0, 3);
    assert.deepEqual(
      newest.map((one) => [one.subtype[0].code, one.outcome, seen(one).user, seen(one).client]),
      [
        ['end-grant', '0', 'Patient/ada', 'growth'],
        ['110122', '0', 'Patient/ada', undefined],
        ['110123', '0', 'Patient/ada', undefined],
      ],
    );
  });

  it('what operators do by the command line: who was given what is told, no password, secret or share', async () => {
    const { DATA_DIR } = process.env;
    const [quiet, write] = [globalThis.console.error, process.stdout.write.bind(process.stdout)];
    const printed: string[] = [];
    process.env.DATA_DIR = world.server.folder;
    globalThis.console.error = () => undefined;
    // What these commands print; what the test runner writes meanwhile goes through.
    process.stdout.write = ((text: string, ...rest: never[]) =>
      typeof text === 'string' && /^(client_|[\w-]{16,}\n)/.test(text)
        ? printed.push(text) > 0
        : write(text, ...rest)) as typeof process.stdout.write;
    try {
      assert.equal(await account(['add', 'eve', '--user', 'Patient/bob']), 0);
      assert.equal(await account(['lock', 'eve']), 0);
      assert.equal(await account(['lock', 'nobody']), 2);
      assert.equal(await app(['add', 'told', '--name', 'Told', '--redirect', 'https://told.example/cb']), 0);
      assert.equal(await app(['remove', 'told']), 0);
      assert.equal(await keys(['backup', '--shares', '3', '--threshold', '2', '--out', `${world.server.folder}/s`]), 0);
    } finally {
      globalThis.console.error = quiet;
      process.stdout.write = write;
      if (DATA_DIR === undefined) delete process.env.DATA_DIR;
      else process.env.DATA_DIR = DATA_DIR;
    }
    const told = async (query: string) => (await events(query)).map(seen);
    const config = 'subtype=http://dicom.nema.org/resources/ontology/DCM|110129';
    for (let tries = 0; (await told('subtype=urn:mooring:security-event|keys')).length === 0; tries += 1) {
      assert.ok(tries < 100, 'a running server takes it over');
      await new Promise((resolve) => setTimeout(resolve, 100));
    }
    const users = await told('subtype=http://dicom.nema.org/resources/ontology/DCM|110137');
    const inShort = (all: Seen[]) => all.map(({ query }) => query?.replace(/&at=.*$/, '')).reverse();
    assert.deepEqual(inShort(users), ['account add&name=eve', 'account lock&name=eve']);
    assert.deepEqual(users[0].patients, ['Patient/bob']);
    assert.deepEqual(inShort(await told(config)), ['app add&id=told', 'app remove&id=told']);
    const secrets = printed.flatMap((text) => text.replace(/^client_\w+ /, '').trim());
    assert.ok(secrets.length >= 3, 'a password, an id and a secret were printed');
    const { text } = await world.server.get('AuditEvent?_count=200', { token: auditor });
    for (const secret of secrets) assert.ok(secret === 'told' || !text.includes(secret), 'nothing secret is told');
    assert.deepEqual(await world.store.list('ToldEvent'), [], 'what is recorded leaves the store');
  });
});
