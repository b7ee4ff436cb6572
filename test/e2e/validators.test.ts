import { after, before, describe, it } from 'node:test';
import assert from 'node:assert/strict';
import { Claims } from '../../src/anchoring/watch/claims.js';
import { servedStatements } from '../../src/anchoring/watch/sources.js';
import { signHead } from '../../src/chain/anchor-log.js';
import { TestValidators } from '../anchoring/validator-node/network.js';
import { TestServer } from './server.js';

const observation = (n: number) => ({
  resourceType: 'Observation',
  status: 'final',
  code: { coding: [{ system: 'http://loinc.org', code: '8302-2' }], text: 'height' },
  valueQuantity: { value: n, unit: 'cm', system: 'http://unitsofmeasure.org', code: 'cm' },
});

/** The validators named in the proof of a resource that was just created. */
async function attestedBy(server: TestServer, body: object): Promise<{ id: string; validators: string[] }> {
  const created = await server.post(String((body as { resourceType: string }).resourceType), body, {
    headers: { Prefer: 'wait=20' },
  });
  assert.equal(created.status, 201, created.text);
  const proof = await server.get(`${created.body.resourceType}/${created.body.id}/$proof`);
  assert.equal(proof.status, 200, proof.text);
  const anchor = proof.body.parameter.find(({ name }: { name: string }) => name === 'anchor');
  const validators = anchor.part
    .filter(({ name }: { name: string }) => name === 'attestation')
    .map(
      ({ part }: { part: { name: string; valueString: string }[] }) =>
        part.find(({ name }) => name === 'validator')!.valueString,
    );
  return { id: created.body.id, validators };
}

describe('four validators beside a server', () => {
  let validators: TestValidators;
  let server: TestServer;
  before(async () => {
    validators = await TestValidators.start(4);
    server = await TestServer.start({
      VALIDATORS: validators.file,
      ANCHOR_MAX_AGE_MS: '100',
      ATTESTATION_TIMEOUT_MS: '5000',
    });
    validators.serverUrl = server.baseUrl.replace(/\/fhir$/, '');
  });
  after(async () => {
    await server.stop();
    await validators.close();
  });

  it('attest by three of them what they opened and judged themselves', async () => {
    const { validators: by } = await attestedBy(server, observation(1));
    assert.equal(by.length, 3);
    for (const address of by) assert.ok(validators.all.some(({ description }) => description.address === address));
    assert.deepEqual(
      validators.all.flatMap(({ disagreements }) => disagreements),
      [],
    );
  });

  it('cosign the checkpoint that the log serves', async () => {
    const note = await (await fetch(`${validators.serverUrl}/log/cosigned`)).text();
    assert.match(note, /^.*\/log\n\d+\n[A-Za-z0-9+/=]{44}\n\n(— \S+ \S+\n){3,5}$/);
    assert.match(note, /— validator-\d /);
  });

  it('have signed what the server shows to watchers, and nothing in it that contradicts itself', async () => {
    const statements = await servedStatements(validators.serverUrl);
    assert.ok(statements.length >= 3);
    const claims = new Claims();
    for (const signed of statements) {
      assert.ok(validators.all.some(({ description }) => description.address === signed.signature.signer));
      assert.equal(claims.add(signed), undefined);
    }
    // The same signer, with another root at a size that it has signed: only with a signature that is its own.
    const [{ statement, signature, ...domain }] = statements;
    const forked = { ...statement, root: `0x${'66'.repeat(32)}` as const };
    assert.equal(claims.add({ ...domain, statement: forked, signature }), undefined);
    const { keys } = validators.all.find(({ description }) => description.address === signature.signer)!;
    const conflict = claims.add({
      ...domain,
      statement: forked,
      signature: signHead(keys.attesting, domain, forked),
    });
    assert.deepEqual([conflict?.signer, conflict?.size], [signature.signer, statement.size]);
    const later = { ...statement, prevSize: statement.size, prevRoot: forked.root, size: statement.size + 1 };
    const bySize = claims.add({ ...domain, statement: later, signature: signHead(keys.attesting, domain, later) });
    assert.equal(bySize?.size, statement.size, 'the root before counts as well');
    const elsewhere = { ...domain, chainId: 1 };
    const foreign = { ...elsewhere, statement: forked, signature: signHead(keys.attesting, elsewhere, forked) };
    assert.equal(claims.add(foreign), undefined, 'on another chain it is another log');
  });

  it('agree with the server on versions, patches, labels, deletions and uploads alike', async () => {
    const { id } = await attestedBy(server, {
      ...observation(2),
      meta: { security: [{ system: 'http://terminology.hl7.org/CodeSystem/v3-Confidentiality', code: 'R' }] },
    });
    const updated = await server.put(`Observation/${id}`, { ...observation(3), id });
    assert.equal(updated.status, 200);
    const definition = {
      resourceType: 'ValueSet',
      url: 'http://example.org/vs',
      status: 'active',
      compose: { include: [{ system: 'http://loinc.org', concept: [{ code: '8302-2' }] }] },
    };
    assert.equal((await server.post('ValueSet', definition)).status, 201);
    await attestedBy(server, observation(4));
    assert.equal((await server.delete(`Observation/${id}`)).status, 204);
    await attestedBy(server, { resourceType: 'Patient', name: [{ family: 'Ångström' }], birthDate: '1970-01' });
    assert.deepEqual(
      validators.all.flatMap(({ disagreements }) => disagreements),
      [],
    );
  });

  it('need one another only up to the quorum: one away changes nothing, two stop attestation, which goes on without loss', async () => {
    await validators.all[0].stop();
    const { validators: by } = await attestedBy(server, observation(5));
    assert.ok(!by.includes(validators.all[0].description.address));
    await validators.all[1].stop();
    const created = await server.post('Observation', observation(6), { headers: { Prefer: 'wait=1' } });
    assert.equal(created.status, 201);
    assert.equal((await server.get(`Observation/${created.body.id}/$proof`)).status, 404);
    await validators.all[0].start();
    const { validators: again } = await attestedBy(server, observation(7));
    assert.ok(again.includes(validators.all[0].description.address));
    assert.equal((await server.get(`Observation/${created.body.id}/$proof`)).status, 200);
    await validators.all[1].start();
    await validators.all[2].stop();
    assert.ok((await attestedBy(server, observation(8))).validators.includes(validators.all[1].description.address));
  });
});
