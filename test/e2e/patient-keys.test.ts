/** Patients with keys of their own: wallets and passkeys file, revoke, delegate and are recovered over HTTP; each refusal beside what is allowed. */
import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { after, before, describe, it } from 'node:test';
import { Wallet } from 'ethers';
import { run } from '../../src/cli/patient-key.js';
import { joinShares, splitKey } from '../../src/consent/guardians.js';
import { Authenticator } from '../consent/authenticator.js';
import { firstIssue, TestServer, type Answer } from './server.js';

const participation = 'http://terminology.hl7.org/CodeSystem/v3-ParticipationType';

// eslint-disable-next-line @typescript-eslint/no-explicit-any
type Values = Record<string, any>;

/** Values of a Parameters answer by name. */
function values({ body }: Answer): Values {
  const all = (body?.parameter ?? []) as Values[];
  return Object.fromEntries(
    all.map((one) => [one.name, one.part ?? Object.entries(one).find(([k]) => k !== 'name')?.[1]]),
  );
}

const parameters = (given: Record<string, string | number | boolean | undefined>) => ({
  resourceType: 'Parameters',
  parameter: Object.entries(given).flatMap(([name, value]) => {
    if (value === undefined) return [];
    const type =
      typeof value === 'number' ? 'valueUnsignedInt' : typeof value === 'boolean' ? 'valueBoolean' : 'valueString';
    return [{ name, [type]: value }];
  }),
});

const permitting = (patient: string, actor: string, changes: object = {}) => ({
  resourceType: 'Consent',
  status: 'active',
  scope: { coding: [{ system: 'http://terminology.hl7.org/CodeSystem/consentscope', code: 'patient-privacy' }] },
  category: [{ coding: [{ system: 'http://loinc.org', code: '59284-0' }] }],
  patient: { reference: patient },
  policyRule: { coding: [{ system: 'http://terminology.hl7.org/CodeSystem/v3-ActCode', code: 'OPTOUT' }] },
  provision: {
    type: 'deny',
    provision: [
      {
        type: 'permit',
        actor: [{ role: { coding: [{ system: participation, code: 'IRCP' }] }, reference: { reference: actor } }],
      },
    ],
  },
  ...changes,
});

/** What a wallet does with the typed data of an answer. */
async function bySigning(wallet: Wallet, toSign: Values): Promise<string> {
  const { domain, types, message } = JSON.parse(toSign.typedData);
  delete types.EIP712Domain;
  return wallet.signTypedData(domain, types, message);
}

describe('a patient with a key of her own', () => {
  let server: TestServer;
  let doctor: string;

  before(async () => {
    server = await TestServer.start({ DEFAULT_CONSENT: 'deny' });
    doctor = await server.tokenFor({ actor: 'Practitioner/dr' });
  });
  after(() => server.stop());

  /** A new patient, and what she asks the server. */
  async function newPatient() {
    const { body } = await server.post('Patient', { resourceType: 'Patient', name: [{ family: 'Own' }] });
    const name = `Patient/${body.id}`;
    const token = await server.tokenFor({ actor: name, patient: body.id, scope: 'patient/*.cruds' });
    const call = (operation: string, given: Parameters<typeof parameters>[0] = {}, as = token) =>
      server.post(`${name}/$${operation}`, parameters(given), { token: as });
    const post = (url: string, given: object = {}) => server.post(url, given, { token });
    /** Calls twice: once for the statement, once with its signature. */
    const signed = async (
      operation: string,
      given: Parameters<typeof parameters>[0],
      sign: (toSign: Values) => Promise<string> | string,
    ) => {
      const first = await call(operation, given);
      assert.equal(values(first).state, 'to-sign', first.text);
      const { index, deadline } = values(first);
      return call(operation, { ...given, index, deadline, signature: await sign(values(first)) });
    };
    const account = async () => values(await server.get(`${name}/$consent-account`, { token }));
    return { id: body.id as string, name, token, call, post, signed, account };
  }

  const statements = (answer: Answer): Values[] =>
    answer.body.parameter
      .filter(({ name }: Values) => name === 'to-sign')
      .map(({ part }: Values) => values({ body: { parameter: part } } as Answer));

  /** Signs everything of a Consent that waits for a signature. */
  async function signAll(
    consent: string,
    token: string,
    sign: (toSign: Values) => Promise<string> | string,
  ): Promise<Answer> {
    for (;;) {
      const asked = await server.post(`${consent}/$sign`, parameters({}), { token });
      assert.equal(asked.status, 200, asked.text);
      const [next] = statements(asked);
      if (next === undefined) return asked;
      const { statement, index, deadline } = next;
      const done = await server.post(
        `${consent}/$sign`,
        parameters({ statement, index, deadline, signature: await sign(next) }),
        { token },
      );
      assert.equal(done.status, 200, done.text);
    }
  }

  const sees = async (name: string, token = doctor) => (await server.get(name, { token })).status;

  it('registers a wallet before her first consent; nothing is given until she signs, and it is taken back at once', async () => {
    const patient = await newPatient();
    const wallet = new Wallet(`0x${randomBytes(32).toString('hex')}`);
    const registered = await patient.signed('consent-key', { key: wallet.address }, (toSign) =>
      bySigning(wallet, toSign),
    );
    assert.equal(registered.status, 200, registered.text);
    assert.deepEqual(
      [(await patient.account()).owner, (await patient.account()).key, (await patient.account()).onChain],
      ['own', wallet.address.toLowerCase(), false],
    );
    const filed = await patient.post('Consent', permitting(patient.name, 'Practitioner/dr'));
    assert.equal(filed.status, 201, filed.text);
    const consent = `Consent/${filed.body.id}`;
    const waiting = values(await server.get(`${consent}/$status`, { token: patient.token }));
    assert.deepEqual([waiting.state, waiting.needsSignature], ['pending-filing', true]);
    assert.equal(await sees(patient.name), 404);
    const active = await signAll(consent, patient.token, (toSign) => bySigning(wallet, toSign));
    assert.equal(values(active).state, 'active', active.text);
    assert.equal(await sees(patient.name), 200);
    assert.equal((await patient.account()).onChain, true);

    assert.equal((await patient.post(`${consent}/$revoke`)).status, 200);
    assert.equal(await sees(patient.name), 404, 'before she signs the revocation');
    const pending = values(await server.get(`${consent}/$status`, { token: patient.token }));
    assert.deepEqual([pending.state, pending.needsSignature], ['pending-revocation', true]);
    const gone = await signAll(consent, patient.token, (toSign) => bySigning(wallet, toSign));
    assert.equal(values(gone).state, 'none', gone.text);
    assert.equal(await sees(patient.name), 404);
  });

  it('takes over with a passkey what the server filed for her, and changes it with that passkey alone', async () => {
    const patient = await newPatient();
    const { origin } = new URL(server.baseUrl);
    const passkey = new Authenticator('127.0.0.1', origin);
    const sign = (toSign: Values) => passkey.json(Buffer.from(toSign.challenge, 'base64url'));
    const filed = await patient.post('Consent', permitting(patient.name, 'Practitioner/dr'));
    const consent = `Consent/${filed.body.id}`;
    assert.equal(await sees(patient.name), 200);
    assert.equal((await patient.account()).owner, 'server');
    const key = { publicKey: passkey.publicKeyDer.toString('base64url'), credential: passkey.id };
    const taken = await patient.signed('consent-key', key, sign);
    assert.equal(taken.status, 200, taken.text);
    const account = await patient.account();
    assert.deepEqual([account.owner, account.kind, account.credential], ['own', 'passkey', passkey.id]);
    assert.equal(await sees(patient.name), 200, 'what was permitted stays so');

    const changed = await server.put(consent, permitting(patient.name, 'Practitioner/nurse', { id: filed.body.id }), {
      token: patient.token,
    });
    assert.equal(changed.status, 200, changed.text);
    assert.equal(await sees(patient.name), 404, 'what is on its way takes away at once');
    const nurse = await server.tokenFor({ actor: 'Practitioner/nurse' });
    assert.equal(await sees(patient.name, nurse), 404, 'and gives nothing');
    assert.equal(values(await signAll(consent, patient.token, sign)).state, 'active');
    assert.equal(await sees(patient.name, nurse), 200);
    assert.equal((await server.delete(consent, { token: patient.token })).status, 204);
    assert.equal(values(await signAll(consent, patient.token, sign)).state, 'none');

    // A page elsewhere cannot have the passkey sign for it.
    const again = await patient.post('Consent', permitting(patient.name, 'Practitioner/dr'));
    const url = `Consent/${again.body.id}/$sign`;
    const [toSign] = statements(await server.post(url, parameters({}), { token: patient.token }));
    const { statement, index, deadline, challenge } = toSign as Values;
    const signature = passkey.json(Buffer.from(challenge, 'base64url'), { origin: 'https://evil.example' });
    const refused = await server.post(url, parameters({ statement, index, deadline, signature }), {
      token: patient.token,
    });
    assert.deepEqual([refused.status, firstIssue(refused).code], [422, 'business-rule'], refused.text);
    assert.match(firstIssue(refused).diagnostics ?? '', /another origin/);
  });

  it('is the only one who can give herself a key, once; another key needs the one before', async () => {
    const patient = await newPatient();
    const [first, second, foreign] = [1, 2, 3].map(() => new Wallet(`0x${randomBytes(32).toString('hex')}`)) as [
      Wallet,
      Wallet,
      Wallet,
    ];
    for (const token of [undefined, doctor, (await newPatient()).token]) {
      const answer = await patient.call('consent-key', { key: first.address }, token ?? (await server.tokenFor({})));
      assert.deepEqual([answer.status, firstIssue(answer).code], [403, 'forbidden'], answer.text);
    }
    const stolen = await patient.signed('consent-key', { key: first.address }, (toSign) => bySigning(foreign, toSign));
    assert.deepEqual([stolen.status, firstIssue(stolen).code], [422, 'business-rule']);
    const late = await patient.call('consent-key', {
      key: first.address,
      index: 7,
      deadline: '2030-01-01T00:00:00Z',
      signature: `0x${'11'.repeat(64)}1b`,
    });
    assert.deepEqual([late.status, firstIssue(late).code], [409, 'conflict'], late.text);
    assert.equal((await patient.call('consent-key', { key: '0x12' })).status, 400);
    assert.equal(
      (await patient.signed('consent-key', { key: first.address }, (toSign) => bySigning(first, toSign))).status,
      200,
    );

    const alone = await patient.signed('consent-key', { key: second.address }, (toSign) => bySigning(second, toSign));
    assert.equal(alone.status, 422);
    assert.match(firstIssue(alone).diagnostics ?? '', /present key has to sign too/);
    const asked = values(await patient.call('consent-key', { key: second.address }));
    const { index, deadline } = asked;
    const both = { key: second.address, index, deadline, signature: await bySigning(second, asked) };
    const wrong = await patient.call('consent-key', { ...both, previous: await bySigning(foreign, asked) });
    assert.equal(wrong.status, 422);
    const changed = await patient.call('consent-key', { ...both, previous: await bySigning(first, asked) });
    assert.equal(changed.status, 200, changed.text);
    assert.equal((await patient.account()).key, second.address.toLowerCase());
    assert.equal((await patient.call('consent-key', { key: second.address })).status, 409);
  });

  it('lets a relative act for her until a second, whoever keeps her key, and takes it back', async () => {
    const patient = await newPatient();
    assert.equal((await patient.post('Consent', permitting(patient.name, 'Practitioner/nobody'))).status, 201);
    const mother = await server.tokenFor({
      actor: 'RelatedPerson/mother',
      patient: patient.id,
      scope: 'patient/*.cruds',
    });
    assert.equal(await sees(patient.name, mother), 404);
    const until = new Date(Date.now() + 3_600_000).toISOString();
    const given = await patient.call('delegate', { actor: 'RelatedPerson/mother', until });
    assert.equal(given.status, 200, given.text);
    assert.equal(await sees(patient.name, mother), 200);
    const hers = await server.post('Consent', permitting(patient.name, 'Practitioner/dr'), { token: mother });
    assert.equal(hers.status, 201, 'she files for her');
    const forOther = await patient.call('delegate', { actor: 'RelatedPerson/x', until }, mother);
    assert.equal(forOther.status, 403, 'she makes no delegates');
    assert.equal(
      (await patient.call('delegate', { actor: 'RelatedPerson/mother', until }, await server.tokenFor({}))).status,
      403,
    );
    assert.equal((await patient.call('delegate', { actor: 'RelatedPerson/mother', end: true })).status, 200);
    assert.equal(await sees(patient.name, mother), 404);
    assert.equal((await patient.call('delegate', { actor: 'Organization/x', until })).status, 400);
    assert.equal((await patient.call('delegate', { actor: 'RelatedPerson/mother' })).status, 400);

    // With a key of her own she signs; a delegate's key then files for her.
    const [own, relative] = [1, 2].map(() => new Wallet(`0x${randomBytes(32).toString('hex')}`)) as [Wallet, Wallet];
    const taken = await patient.signed('consent-key', { key: own.address }, (toSign) => bySigning(own, toSign));
    assert.equal(taken.status, 200, taken.text);
    const by = { actor: 'RelatedPerson/mother', key: relative.address, until };
    assert.equal((await patient.signed('delegate', by, (toSign) => bySigning(relative, toSign))).status, 422);
    const signed = await patient.signed('delegate', by, (toSign) => bySigning(own, toSign));
    assert.equal(signed.status, 200, signed.text);
    const filed = await server.post('Consent', permitting(patient.name, 'Practitioner/nurse'), { token: mother });
    assert.equal(filed.status, 201, filed.text);
    const done = await signAll(`Consent/${filed.body.id}`, mother, (toSign) => bySigning(relative, toSign));
    assert.equal(values(done).state, 'active', done.text);
  });

  it('lets who never filed a Consent name delegates and guardians: the first of these acts makes her account', async () => {
    const until = new Date(Date.now() + 3_600_000).toISOString();
    const patient = await newPatient();
    const mother = await server.tokenFor({ actor: 'RelatedPerson/mum', patient: patient.id, scope: 'patient/*.cruds' });
    assert.deepEqual([(await patient.account()).onChain, await sees(patient.name, mother)], [false, 404]);
    const given = await patient.call('delegate', { actor: 'RelatedPerson/mum', until });
    assert.equal(given.status, 200, given.text);
    const { owner, onChain, index } = await patient.account();
    assert.deepEqual({ owner, onChain, index }, { owner: 'server', onChain: true, index: 1 });
    assert.deepEqual([await sees(patient.name, mother), await sees(patient.name)], [200, 404]);
    const filed = await patient.post('Consent', permitting(patient.name, 'Practitioner/dr'));
    assert.equal(filed.status, 201, filed.text);
    assert.equal(await sees(patient.name), 200, 'what she files then is filed');

    const another = await newPatient();
    const [own, stranger, recovery] = [1, 2, 3].map(() => new Wallet(`0x${randomBytes(32).toString('hex')}`)) as [
      Wallet,
      Wallet,
      Wallet,
    ];
    const key = await another.signed('consent-key', { key: own.address }, (toSign) => bySigning(own, toSign));
    assert.equal(key.status, 200, key.text);
    const guardians = { key: recovery.address, delay: 60 };
    const stolen = await another.signed('guardians', guardians, (toSign) => bySigning(stranger, toSign));
    assert.equal(stolen.status, 422, 'not by her key');
    assert.equal((await another.account()).onChain, false);
    const named = await another.signed('guardians', guardians, (toSign) => bySigning(own, toSign));
    assert.equal(named.status, 200, named.text);
    const bound = await another.account();
    assert.deepEqual([bound.onChain, bound.key], [true, own.address.toLowerCase()]);
  });

  it('who lost her key gets her account back from any two of three guardians, after a delay in which the key can object', async () => {
    const patient = await newPatient();
    const [lost, fresh, recovery] = [1, 2, 3].map(() => new Wallet(`0x${randomBytes(32).toString('hex')}`)) as [
      Wallet,
      Wallet,
      Wallet,
    ];
    assert.equal(
      (await patient.signed('consent-key', { key: lost.address }, (toSign) => bySigning(lost, toSign))).status,
      200,
    );
    const filed = await patient.post('Consent', permitting(patient.name, 'Practitioner/dr'));
    const consent = `Consent/${filed.body.id}`;
    await signAll(consent, patient.token, (toSign) => bySigning(lost, toSign));
    const shares = await splitKey(Buffer.from(recovery.privateKey.slice(2), 'hex'), 3, 2);
    assert.equal(
      (await patient.call('recover', { step: 'start', key: fresh.address })).status,
      422,
      'no guardians yet',
    );
    const named = await patient.signed('guardians', { key: recovery.address, delay: 600 }, (toSign) =>
      bySigning(lost, toSign),
    );
    assert.equal(named.status, 200, named.text);

    const joined = new Wallet(`0x${Buffer.from(await joinShares([shares[2] ?? '', shares[0] ?? ''])).toString('hex')}`);
    const started = await patient.signed('recover', { step: 'start', key: fresh.address }, (toSign) =>
      bySigning(joined, toSign),
    );
    assert.equal(values(started).state, 'started', started.text);
    const early = await patient.call('recover', { step: 'finish' });
    assert.deepEqual([early.status, firstIssue(early).code], [409, 'conflict'], early.text);
    const cancelled = await patient.signed('recover', { step: 'cancel' }, (toSign) => bySigning(lost, toSign));
    assert.equal(cancelled.status, 200, cancelled.text);
    assert.equal((await patient.account()).nextKey, undefined);
    const stolen = await patient.signed('recover', { step: 'start', key: fresh.address }, (toSign) =>
      bySigning(fresh, toSign),
    );
    assert.equal(stolen.status, 422, 'not by the recovery key');

    assert.equal(
      (await patient.signed('guardians', { key: recovery.address, delay: 0 }, (toSign) => bySigning(lost, toSign)))
        .status,
      200,
    );
    const again = await patient.signed('recover', { step: 'start', key: fresh.address }, (toSign) =>
      bySigning(joined, toSign),
    );
    assert.equal(values(again).state, 'started', again.text);
    const finished = await patient.call('recover', { step: 'finish', key: fresh.address });
    assert.equal(values(finished).key, fresh.address.toLowerCase(), finished.text);
    assert.equal(await sees(patient.name), 200, 'her consents stand');
    assert.equal((await patient.post(`${consent}/$revoke`)).status, 200);
    const url = `${consent}/$sign`;
    const [toSign] = statements(await server.post(url, parameters({}), { token: patient.token }));
    const { statement, index } = toSign as Values;
    const byLost = parameters({ statement, index, signature: await bySigning(lost, toSign as Values) });
    assert.equal(
      (await server.post(url, byLost, { token: patient.token })).status,
      422,
      'the lost key is worth nothing',
    );
    assert.equal(values(await signAll(consent, patient.token, (one) => bySigning(fresh, one))).state, 'none');
  });

  it('does all of it from a terminal too, with the key in a file that the server never sees', async () => {
    const patient = await newPatient();
    const folder = await mkdtemp(path.join(tmpdir(), 'patient-key-'));
    const file = async (name: string, text: string) => {
      const place = path.join(folder, name);
      await writeFile(place, text, { mode: 0o600 });
      return place;
    };
    const own = new Wallet(`0x${randomBytes(32).toString('hex')}`);
    const [key, other, token] = await Promise.all([
      file('own.key', own.privateKey),
      file('other.key', `0x${randomBytes(32).toString('hex')}`),
      file('token', patient.token),
    ]);
    const there = ['--server', server.baseUrl, '--patient', patient.id, '--token-file', token];
    const mooring = (...args: string[]) => run([...args, ...there]);
    try {
      assert.equal(await mooring('register', '--key', key), 0);
      const filed = await patient.post('Consent', permitting(patient.name, 'Practitioner/dr'));
      const { id } = filed.body;
      assert.equal(await mooring('sign', id, '--key', other), 1, 'the server refuses');
      assert.equal(await sees(patient.name), 404);
      assert.equal(await mooring('sign', id, '--key', key), 0);
      assert.equal(await sees(patient.name), 200);
      assert.equal(await mooring('guardians', '--key', key, '--to', own.address, '--delay', '60'), 0);
      assert.equal((await patient.account()).recoveryDelay, 60);
      assert.equal(await mooring('sign', '--key', key), 2, 'no Consent is named');
    } finally {
      await rm(folder, { recursive: true, force: true });
    }
  });

  it('finds pages that load and run nothing but themselves, and no other file beside them', async () => {
    const { origin } = new URL(server.baseUrl);
    const page = await server.get(`${origin}/patient/consents.html`, { token: '' });
    assert.equal(page.status, 200);
    const policy = page.headers.get('content-security-policy') ?? '';
    for (const part of ["default-src 'none'", "script-src 'self'", "frame-ancestors 'none'"])
      assert.ok(policy.includes(part), policy);
    assert.equal(/<script(?![^>]* src=)|\son[a-z]+=|style=/.test(page.text), false, 'nothing inline');
    const files = [...page.text.matchAll(/(?:<link[^>]* href|<script[^>]* src)="([^"]+)"/g)].map((found) => found[1]!);
    assert.equal(files.length, 3, 'two style sheets and the script');
    for (const file of files)
      assert.equal((await server.get(`${origin}/patient/${file}`, { token: '' })).status, 200, file);
    assert.match(
      (await server.get(`${origin}/patient`, { token: '' })).text,
      /Who may see your record/,
      'the folder leads to the first page',
    );
    for (const name of ['..%2fsmart.css', 'smart.css', '../package.json', 'nothing.html', '%00'])
      assert.equal((await server.get(`${origin}/patient/${name}`, { token: '' })).status, 404, name);
    assert.equal((await server.post(`${origin}/patient/consents.html`, {}, { token: '' })).status, 405);
  });
});
