import { after, before, describe, it } from 'node:test';
import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { openCheckpoint } from '../../src/anchoring/checkpoint.js';
import { parseVerifierKey } from '../../src/anchoring/note.js';
import { possessionProblem, type Possessed } from '../../src/anchoring/possession.js';
import { fromParameters } from '../../src/anchoring/proof-parameters.js';
import { fetchRpc, verifyProof } from '../../src/anchoring/verify-proof.js';
import { parseJson } from '../../src/base/json.js';
import type { JWK } from 'jose';
import { cutSdJwt, verifySdJwt } from '../../src/anchoring/sd-jwt.js';
import { TestServer } from '../e2e/server.js';

interface Part {
  name: string;
  part: Part[];
  valueDecimal?: number;
  valueBase64Binary?: string;
  valueString?: string;
}

describe('a running server', () => {
  let server: TestServer;
  before(async () => {
    server = await TestServer.start({ ANCHOR_MAX_AGE_MS: '20' });
    for (const family of ['Muster', 'Meier', 'Huber'])
      await server.send('PUT', `Patient/${family}`, {
        body: { resourceType: 'Patient', id: family, name: [{ family }] },
        headers: { prefer: 'wait=30' },
      });
    await server.send('DELETE', 'Patient/Huber', { headers: { prefer: 'wait=30' } });
  });
  after(() => server.stop());

  it('proves each version, and elements of it, to anyone who can ask the chain', async () => {
    const rpc = fetchRpc(server.chainUrl);
    for (const url of [
      'Patient/Muster/$proof',
      'Patient/Huber/_history/1/$proof',
      'Patient/Huber/_history/2/$proof',
      'Patient/Meier/$disclose?element=Patient.name',
    ]) {
      const { status, text } = await server.send('GET', url);
      assert.equal(status, 200, text);
      const proof = fromParameters(parseJson(text));
      assert.equal((await verifyProof(proof, rpc)).anchor.chainId, 31337, url);
      assert.equal(proof.parts.kind, url.includes('_history/2') ? 'deletion' : 'version');
    }
    assert.equal((await server.send('GET', 'Patient/Nobody/$proof')).status, 404);
  });

  it('serves its log, and shows to an auditor that it has the blocks of what its checkpoint covers', async () => {
    const log = server.baseUrl.replace(/\/fhir$/, '/log');
    const key = parseVerifierKey((await (await fetch(`${log}/key`)).text()).trim());
    const checkpoint = openCheckpoint(await (await fetch(`${log}/checkpoint`)).text(), key.name, [key]);
    assert.equal(checkpoint.size, 4);
    const seed = createHash('sha256').update('auditor').digest();
    const { status, body, text } = await server.send('GET', `$possession?seed=${seed.toString('hex')}&size=4&count=20`);
    assert.equal(status, 200, text);
    const answers = (body.parameter as Part[]).map(({ part }): Possessed => {
      const one = (name: string) => part.find((each) => each.name === name);
      const block = one('block')?.valueBase64Binary;
      return {
        leafIndex: one('index')?.valueDecimal ?? -1,
        entry: Buffer.from(one('entry')?.valueBase64Binary ?? '', 'base64'),
        inclusion: part
          .filter(({ name }) => name === 'inclusion')
          .map(({ valueString = '' }) => Buffer.from(valueString.slice(2), 'hex')),
        ...(block !== undefined && { block: Buffer.from(block, 'base64') }),
      };
    });
    assert.equal(possessionProblem({ seed, size: 4, count: 20 }, answers, checkpoint), undefined);
    assert.ok(!text.includes('Muster') && !text.includes(Buffer.from('Muster').toString('base64').slice(0, 7)));
    for (const wrong of [
      'seed=00&size=4',
      `seed=${seed.toString('hex')}&size=5`,
      `seed=${seed.toString('hex')}&size=4&count=0`,
      `seed=${seed.toString('hex')}&size=4&other=1`,
    ])
      assert.equal((await server.send('GET', `$possession?${wrong}`)).status, 400, wrong);
    const patient = await server.tokenFor({ scope: 'patient/Patient.r', patient: 'Muster' });
    assert.equal(
      (await server.send('GET', `$possession?seed=${seed.toString('hex')}&size=4`, { token: patient })).status,
      403,
    );
  });

  it('gives elements as an SD-JWT that holds against the keys which it publishes, whole and cut', async () => {
    const body = { resourceType: 'Basic', code: { text: 'shown' }, author: { display: 'hidden' } };
    const created = await server.post('Basic', body);
    const answer = await server.get(
      `Basic/${created.body.id}/$disclose?element=Basic.code&element=Basic.author&as=sd-jwt`,
    );
    assert.equal(answer.status, 200, answer.text);
    const document = answer.body.parameter[0].valueString as string;
    const metadata = await fetch(`${server.baseUrl.replace(/\/fhir$/, '')}/.well-known/jwt-vc-issuer/fhir`);
    const { issuer, jwks } = (await metadata.json()) as { issuer: string; jwks: { keys: JWK[] } };
    const { claims, elements } = await verifySdJwt(document, jwks.keys);
    assert.equal(claims.iss, issuer);
    assert.equal(claims.url, `${server.baseUrl}/Basic/${created.body.id}/_history/1`);
    assert.deepEqual(
      elements.map(({ path, text }) => `${path} = ${text}`),
      ['Basic.author.display = "hidden"', 'Basic.code.text = "shown"'],
    );
    const cut = cutSdJwt(document, (path) => path.startsWith('Basic.code'));
    assert.equal((await verifySdJwt(cut, jwks.keys)).elements.length, 1);
    assert.equal((await server.get(`Basic/${created.body.id}/$disclose?element=Basic.code&as=pdf`)).status, 400);
    assert.equal((await server.get(`Basic/${created.body.id}/$disclose?element=Basic.subject&as=sd-jwt`)).status, 422);
  });
});
