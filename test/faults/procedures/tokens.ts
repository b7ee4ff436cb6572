/** What the authorization server keeps, in the table of faults: a session, the tokens of a code, a refreshed token, a token that was given up. */
import assert from 'node:assert/strict';
import { answerOf, Browser, pkce } from '../../e2e/smart/browser.js';
import type { Answer, TestServer } from '../../e2e/server.js';
import { password, redirect, SmartWorld, type Tokens } from '../../e2e/smart/world.js';
import { isDone, type Procedure } from './procedure.js';

const scope = 'launch/patient offline_access patient/Patient.rs';
const worlds = new WeakMap<TestServer, Promise<SmartWorld>>();

/** Accounts and an app, once a server. */
function worldOf(server: TestServer): Promise<SmartWorld> {
  const known = worlds.get(server) ?? filled(server);
  worlds.set(server, known);
  return known;
}

async function filled(server: TestServer): Promise<SmartWorld> {
  const world = await SmartWorld.on(server);
  // What follows goes through the server.
  await world.store.close();
  return world;
}

/** The answer that an app got, as the table looks at it. */
function answer({ status, headers, body }: Tokens): Answer {
  return { status, headers, body: body as unknown, text: JSON.stringify(body) };
}

/** Of an access token: whether it lets somebody in. */
async function isAlive({ server }: SmartWorld, token: string): Promise<boolean> {
  const { status, text } = await server.get('Patient/ada', { token });
  assert.ok(status === 200 || status === 401, text);
  return status === 200;
}

/** A code that was not used yet, and the form that exchanges it. */
async function codeFor(world: SmartWorld): Promise<Record<string, string>> {
  const browser = new Browser(world.origin);
  const { verifier, challenge } = pkce();
  const page = await world.toDecision(browser, { code_challenge: challenge, scope });
  const fields = { decision: 'allow', scope: ['patient/Patient.rs', 'offline_access'], patient: 'ada' };
  const { code } = answerOf((await browser.submit(page, '/decide', fields)).url);
  assert.ok(code, page.text);
  return {
    grant_type: 'authorization_code',
    code,
    redirect_uri: redirect,
    client_id: 'growth',
    code_verifier: verifier,
  };
}

export const signIn: Procedure = {
  name: 'sign-in',
  decisive: 'smart.put(Session) 1',
  async prepare(server) {
    const world = await worldOf(server);
    const browser = new Browser(world.origin);
    const visit = () => browser.open(world.authorizeUrl({ code_challenge: pkce().challenge, scope }));
    const login = await visit();
    const isAsked = (text: string) => text.includes('name="password"');
    return {
      async act() {
        const { status, headers, text } = await browser.submit(login, '/login', { name: 'ada', password });
        return { status, headers, text, body: undefined };
      },
      async check(isAcknowledged) {
        const { status, text } = await visit();
        assert.equal(status, 200, text);
        if (isAcknowledged) assert.ok(!isAsked(text), 'who signed in is not asked again');
      },
      async again() {
        const page = await visit();
        if (isAsked(page.text)) await browser.submit(page, '/login', { name: 'ada', password });
        assert.ok(!isAsked((await visit()).text));
      },
    };
  },
};

export const codeExchange: Procedure = {
  name: 'code exchange',
  decisive: 'smart.consume(AuthorizationCode) 1',
  async prepare(server) {
    const world = await worldOf(server);
    const form = await codeFor(world);
    let tokens: Tokens;
    return {
      async act() {
        tokens = await world.token(form);
        return answer(tokens);
      },
      async check(isAcknowledged) {
        if (isAcknowledged) assert.ok(await isAlive(world, tokens.body.access_token));
      },
      async again() {
        tokens = await world.token(form);
        // The code was used up, and nobody got what it was for: the user is asked once more.
        if (tokens.body.error === 'invalid_grant') tokens = await world.token(await codeFor(world));
        assert.equal(tokens.status, 200, JSON.stringify(tokens.body));
        assert.ok(await isAlive(world, tokens.body.access_token));
      },
    };
  },
};

export const refresh: Procedure = {
  name: 'token refresh',
  decisive: 'smart.consume(RefreshToken) 1',
  async prepare(server) {
    const world = await worldOf(server);
    const first = await world.token(await codeFor(world));
    assert.equal(first.status, 200, JSON.stringify(first.body));
    const form = { grant_type: 'refresh_token', refresh_token: first.body.refresh_token, client_id: 'growth' };
    let tokens: Tokens;
    return {
      async act() {
        tokens = await world.token(form);
        return answer(tokens);
      },
      async check(isAcknowledged) {
        if (isAcknowledged) assert.ok(await isAlive(world, tokens.body.access_token));
      },
      async again() {
        tokens = await world.token(form);
        if (tokens.body.error === 'invalid_grant') {
          assert.equal(await isAlive(world, first.body.access_token), false, 'its family ends with a token used twice');
          tokens = await world.token(await codeFor(world));
        }
        assert.equal(tokens.status, 200, JSON.stringify(tokens.body));
        assert.ok(await isAlive(world, tokens.body.access_token));
      },
    };
  },
};

export const tokenRevocation: Procedure = {
  name: 'token revocation',
  decisive: 'smart.removeGroup 1',
  async prepare(server) {
    const world = await worldOf(server);
    const { body } = await world.token(await codeFor(world));
    const other = await world.token(await codeFor(world));
    const revoke = () => world.post('revoke', { token: body.refresh_token, client_id: 'growth' });
    const refused = async () => {
      const form = { grant_type: 'refresh_token', refresh_token: body.refresh_token, client_id: 'growth' };
      assert.equal((await world.token(form)).body.error, 'invalid_grant');
      assert.equal(await isAlive(world, body.access_token), false);
    };
    return {
      act: async () => answer(await revoke()),
      async check(isAcknowledged) {
        if (isAcknowledged) await refused();
        assert.ok(await isAlive(world, other.body.access_token), 'what she allowed another time goes on');
      },
      async again() {
        assert.ok(isDone(answer(await revoke())));
        await refused();
      },
    };
  },
};
