/** Sharing keys: another organisation reads from blocks alone what the patient permits it, and nothing after she took the permit back. */
import assert from 'node:assert/strict';
import type { JsonWebKey } from 'node:crypto';
import { execFile } from 'node:child_process';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { after, before, describe, it } from 'node:test';
import { promisify } from 'node:util';
import { encodeSetOrganisation } from '../../src/chain/directory.js';
import { createEthersChain } from '../../src/chain/ethers-chain.js';
import type { Contracts } from '../../src/chain/deploy.js';
import { chainKeys } from '../../src/chain/keys.js';
import { digestOfCid } from '../../src/ipfs/cid.js';
import { openBlocks } from '../../src/wiring/storage.js';
import { openKeyRing } from '../../src/vault/file-key-ring.js';
import { openBundle, parseBundle, type ShareBundle } from '../../src/vault/share-bundle.js';
import { hpkeJwk, makeHpkeKeyPair } from '../../src/vault/hpke.js';
import { testConfig, TestServer } from './server.js';

const run = promisify(execFile);
const mooring = path.resolve('bin/mooring.mjs');
const reader = 'Organization/reader';

describe('sharing keys', () => {
  let server: TestServer;
  let folder: string;
  let keyFile: string;

  before(async () => {
    folder = await mkdtemp(path.join(tmpdir(), 'sharing-'));
    keyFile = path.join(folder, 'reader.key');
    server = await TestServer.start({ DEFAULT_CONSENT: 'deny' });
    for (const id of ['reader', 'stranger']) {
      await server.put(`Organization/${id}`, { resourceType: 'Organization', id, name: id });
    }
    const { stdout } = await run(process.execPath, [mooring, 'open', '--make-key', keyFile]);
    await publish(reader, [JSON.parse(stdout) as JsonWebKey]);
  });
  after(async () => {
    await server.stop();
    await rm(folder, { recursive: true, force: true });
  });

  /** Writes an organisation's keys into the directory, as the members of the network do. */
  async function publish(organisation: string, keys: readonly JsonWebKey[]): Promise<void> {
    const ring = await openKeyRing(path.join(server.folder, 'keys', 'key-ring.json'));
    const contracts = JSON.parse(
      await readFile(path.join(server.folder, 'chain', 'contracts.json'), 'utf8'),
    ) as Contracts;
    const chain = createEthersChain({
      url: server.chainUrl,
      chainId: contracts.chainId,
      payer: chainKeys(ring).deployer,
    });
    const entry = { baseUrl: 'http://reader/fhir', keys, relay: `0x${'0'.repeat(40)}`, status: 'active' } as const;
    const { raw, txHash } = await chain.sign(
      contracts.network,
      encodeSetOrganisation(contracts.network, organisation, entry),
      await chain.nextNonce(),
    );
    await chain.send(raw);
    await chain.mined(txHash, 10_000);
    await chain.close();
  }

  const consentOf = (id: string, patientId: string, recipient: string, status = 'active') => ({
    resourceType: 'Consent',
    id,
    status,
    scope: { coding: [{ system: 'http://terminology.hl7.org/CodeSystem/consentscope', code: 'patient-privacy' }] },
    category: [{ coding: [{ system: 'http://loinc.org', code: '59284-0' }] }],
    patient: { reference: `Patient/${patientId}` },
    dateTime: '2026-01-01',
    policyRule: { coding: [{ system: 'http://terminology.hl7.org/CodeSystem/v3-ActCode', code: 'OPTOUT' }] },
    provision: {
      type: 'deny',
      provision: [
        {
          type: 'permit',
          action: ['collect', 'correct'].map((code) => ({
            coding: [{ system: 'http://terminology.hl7.org/CodeSystem/consentaction', code }],
          })),
        },
        {
          type: 'permit',
          actor: [
            {
              role: {
                coding: [{ system: 'http://terminology.hl7.org/CodeSystem/v3-ParticipationType', code: 'PRCP' }],
              },
              reference: { reference: recipient },
            },
          ],
          class: [{ system: 'http://hl7.org/fhir/resource-types', code: 'Observation' }],
        },
      ],
    },
  });

  async function observe(patientId: string, id: string, text: string): Promise<void> {
    const { status } = await server.put(`Observation/${id}`, {
      resourceType: 'Observation',
      id,
      status: 'final',
      code: { text },
      subject: { reference: `Patient/${patientId}` },
    });
    assert.equal(status, 201);
  }

  async function patientWith(id: string): Promise<string> {
    await server.put(`Patient/${id}`, { resourceType: 'Patient', id, gender: 'female' });
    return id;
  }

  async function bundleOf(patientId: string, token?: string) {
    const answer = await server.get(
      `Patient/${patientId}/$shared?recipient=${reader}`,
      token === undefined ? {} : { token },
    );
    if (answer.status !== 200) return { status: answer.status, bundle: undefined };
    const text = Buffer.from((answer.body as { data: string }).data, 'base64').toString('utf8');
    return { status: 200, bundle: parseBundle(text) };
  }

  const privateKey = async () => new Uint8Array(Buffer.from((await readFile(keyFile, 'utf8')).trim(), 'base64url'));
  const namesIn = async (bundle: ShareBundle | undefined) =>
    (await openBundle(bundle!, await privateKey())).map(({ reference }) => reference).sort();

  /** The blocks of the stopped server's store behind an IPFS gateway: no key is there. */
  async function gateway(): Promise<{ url: string; close(): Promise<void> }> {
    const store = await openBlocks(testConfig(server.folder).blocks);
    const http = createServer((request, response) => {
      const cid = /^\/ipfs\/([a-z0-9]+)/.exec(request.url ?? '')?.[1] ?? '';
      store.get(digestOfCid(cid)).then(
        (bytes) => response.end(bytes),
        () => response.writeHead(404).end(),
      );
    });
    await new Promise<void>((resolve) => http.listen(0, '127.0.0.1', resolve));
    return {
      url: `http://127.0.0.1:${(http.address() as AddressInfo).port}`,
      // The store is free again for the server when this resolves.
      async close() {
        http.closeAllConnections();
        await new Promise((resolve) => http.close(resolve));
        await store.close();
      },
    };
  }

  it('opens a share by a permit, gives older and newer records, and no others', async () => {
    const patientId = await patientWith('sharer-1');
    await observe(patientId, 'before-permit', 'glucose');
    assert.equal((await bundleOf(patientId)).status, 404);
    assert.equal((await server.put('Consent/sharer-1', consentOf('sharer-1', patientId, reader))).status, 201);
    await observe(patientId, 'after-permit', 'urea');
    const { bundle } = await bundleOf(patientId);
    assert.deepEqual(await namesIn(bundle), ['Observation/after-permit/1', 'Observation/before-permit/1']);
    // The bundle names nobody: neither patient nor record nor recipient.
    const text = JSON.stringify(bundle);
    for (const word of ['sharer-1', 'permit', 'reader', 'Observation']) assert.equal(text.includes(word), false, word);
    await assert.rejects(openBundle(bundle!, (await makeHpkeKeyPair()).privateKey), /nothing in the bundle/);
  });

  it('gives the bundle to recipient, patient and operator, and hides it from others', async () => {
    const token = (actor: string, changes: object = {}) => server.tokenFor({ actor, scope: 'system/*.rs', ...changes });
    assert.equal((await bundleOf('sharer-1', await token(reader))).status, 200);
    const herself = await token('Patient/sharer-1', { scope: 'patient/*.rs', patient: 'sharer-1' });
    assert.equal((await bundleOf('sharer-1', herself)).status, 200);
    assert.equal((await bundleOf('sharer-1', await token('Organization/stranger'))).status, 404);
    assert.equal((await bundleOf('nobody', await token(reader))).status, 404);
  });

  it('gives no key of what is written after the permit was taken back, and makes no key for that', async () => {
    const patientId = await patientWith('sharer-2');
    await server.put('Consent/sharer-2', consentOf('sharer-2', patientId, reader));
    await observe(patientId, 'permitted', 'glucose');
    const before = (await bundleOf(patientId)).bundle;
    assert.deepEqual(await namesIn(before), ['Observation/permitted/1']);
    await server.put('Consent/sharer-2', consentOf('sharer-2', patientId, reader, 'inactive'));
    await observe(patientId, 'revoked', 'urea');
    const afterwards = (await bundleOf(patientId)).bundle;
    assert.deepEqual(await namesIn(afterwards), ['Observation/permitted/1']);
    assert.deepEqual(afterwards!.epochs, before!.epochs);
    // The other patient's share goes on.
    await observe('sharer-1', 'goes-on', 'sodium');
    assert.ok((await namesIn((await bundleOf('sharer-1')).bundle)).includes('Observation/goes-on/1'));
  });

  it('goes on after a restart, gives each version once, and keeps to the key that the recipient publishes', async () => {
    await server.restart();
    const { bundle } = await bundleOf('sharer-1');
    assert.equal(new Set(bundle!.tickets.map(({ cid }) => cid)).size, bundle!.tickets.length);
    assert.deepEqual(bundle!.epochs.length, 1);
    const next = await makeHpkeKeyPair();
    await publish(reader, [hpkeJwk(next.publicKey, 'next')]);
    await server.restart();
    await observe('sharer-1', 'with-next-key', 'lead');
    const renewed = (await bundleOf('sharer-1')).bundle!;
    assert.equal(renewed.epochs.length, 2);
    const opened = await openBundle(renewed, next.privateKey);
    assert.deepEqual(
      opened.map(({ reference }) => reference),
      ['Observation/with-next-key/1'],
    );
  });

  it('publishes the members of a Group on the chain, and lets a member who came later read what was shared before', async () => {
    const [anna, ben] = [await makeHpkeKeyPair(), await makeHpkeKeyPair()];
    for (const id of ['anna', 'ben']) await server.put(`Practitioner/${id}`, { resourceType: 'Practitioner', id });
    const group = (...ids: string[]) => ({
      resourceType: 'Group',
      id: 'ward',
      type: 'practitioner',
      actual: true,
      member: ids.map((id) => ({ entity: { reference: `Practitioner/${id}` } })),
    });
    const keys = (members: Record<string, Uint8Array>) => ({
      resourceType: 'Parameters',
      parameter: Object.entries(members).map(([id, key]) => ({
        name: 'key',
        part: [
          { name: 'member', valueString: `Practitioner/${id}` },
          { name: 'publicKey', valueString: Buffer.from(key).toString('base64url') },
        ],
      })),
    });
    const publishGroup = (members: Record<string, Uint8Array>, options = {}) =>
      server.post('Group/ward/$publish-members', keys(members), options);
    const asAnna = await server.tokenFor({ actor: 'Practitioner/anna', scope: 'system/*.rs' });
    const asBen = await server.tokenFor({ actor: 'Practitioner/ben', scope: 'system/*.rs' });
    await server.put('Group/ward', group('anna'));
    assert.equal((await publishGroup({ anna: anna.publicKey }, { token: asAnna })).status, 403);
    assert.equal((await publishGroup({ ben: ben.publicKey })).status, 400);
    assert.equal((await publishGroup({ anna: anna.publicKey })).status, 200);

    const patientId = await patientWith('sharer-3');
    await server.put('Consent/sharer-3', consentOf('sharer-3', patientId, 'Group/ward'));
    await observe(patientId, 'for-the-ward', 'glucose');
    assert.equal((await server.get('Observation/for-the-ward', { token: asAnna })).status, 200);
    assert.equal((await server.get('Observation/for-the-ward', { token: asBen })).status, 404);
    const bundle = async () => {
      const { body } = await server.get(`Patient/${patientId}/$shared?recipient=Group/ward`);
      return parseBundle(Buffer.from((body as { data: string }).data, 'base64').toString('utf8'));
    };
    const first = await bundle();

    await server.put('Group/ward', group('anna', 'ben'));
    const answer = await publishGroup({ anna: anna.publicKey, ben: ben.publicKey });
    assert.equal(answer.status, 200);
    const nameOf = (member: string): string => {
      const parts = answer.body.parameter as { name: string; part: { valueString: string }[] }[];
      const named = parts
        .filter(({ name }) => name === 'key-name')
        .map(({ part }) => part.map((one) => one.valueString));
      return named.find(([reference]) => reference === `Practitioner/${member}`)?.[1] ?? '';
    };
    assert.equal((await server.get('Observation/for-the-ward', { token: asBen })).status, 200);
    const grown = await bundle();
    assert.deepEqual(grown.tickets, first.tickets);
    const read = async (name: string, key: Uint8Array, from = grown) =>
      (await openBundle(from, key, name)).map(({ reference }) => reference);
    assert.deepEqual(await read(nameOf('ben'), ben.privateKey), ['Observation/for-the-ward/1']);

    // Anna leaves: what is shared later is not for her, what was shared is.
    await server.put('Group/ward', group('ben'));
    assert.equal((await publishGroup({ ben: ben.publicKey })).status, 200);
    await observe(patientId, 'without-anna', 'urea');
    assert.equal((await server.get('Observation/without-anna', { token: asAnna })).status, 404);
    const last = await bundle();
    assert.deepEqual(await read(nameOf('anna'), anna.privateKey, last), ['Observation/for-the-ward/1']);
    assert.deepEqual(await read(nameOf('ben'), ben.privateKey, last), [
      'Observation/for-the-ward/1',
      'Observation/without-anna/1',
    ]);
  });

  it('is read without the server: with the bundle, the key and an IPFS gateway', async () => {
    const bundleFile = path.join(folder, 'bundle.json');
    const { body } = await server.get(`Patient/sharer-2/$shared?recipient=${reader}`);
    await writeFile(bundleFile, JSON.stringify(body));
    await server.halt();
    const { url, close } = await gateway();
    try {
      const args = [mooring, 'open', '--bundle', bundleFile, '--gateway', url];
      const { stdout } = await run(process.execPath, [...args, '--key', keyFile]);
      const resource = JSON.parse(stdout) as { id: string; code: { text: string } };
      assert.deepEqual([resource.id, resource.code.text], ['permitted', 'glucose']);
      const otherKey = path.join(folder, 'other.key');
      await run(process.execPath, [mooring, 'open', '--make-key', otherKey]);
      await assert.rejects(
        run(process.execPath, [...args, '--key', otherKey]),
        /nothing in the bundle is for this key/,
      );
    } finally {
      await close();
      await server.resume();
    }
  });
});
