/** What sharing costs, in operations: counted, not timed. */
import assert from 'node:assert/strict';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { after, before, describe, it } from 'node:test';
import { GroupKeys } from '../../../src/fhir/sharing/group-keys.js';
import { Share } from '../../../src/fhir/sharing/share.js';
import { ShareStore } from '../../../src/fhir/sharing/share-store.js';
import { openKeyRing } from '../../../src/vault/file-key-ring.js';
import { makeHpkeKeyPair } from '../../../src/vault/hpke.js';
import type { KeyRing } from '../../../src/vault/key-ring.js';
import { openBundle } from '../../../src/vault/share-bundle.js';
import { sealEpochKey } from '../../../src/vault/share-keys.js';
import { type SqliteCatalog, openSqliteCatalog } from '../../../src/commit/sqlite/sqlite-catalog.js';

/** Recipients whose permit was taken back; the issue speaks of 10,000. */
const REVOKED = Number(process.env['REVOKED_SHARES'] ?? 300);
const dataKey = new Uint8Array(32).fill(7);

describe('what sharing costs', () => {
  let folder: string;
  let ring: KeyRing;
  let catalog: SqliteCatalog;

  before(async () => {
    folder = await mkdtemp(path.join(tmpdir(), 'sharing-costs-'));
    ring = await openKeyRing(path.join(folder, 'ring.json'));
    catalog = await openSqliteCatalog(path.join(folder, 'catalog.sqlite'));
  });
  after(async () => {
    await catalog.close();
    await rm(folder, { recursive: true, force: true });
  });

  it('seals one key for a recipient, however many versions it gets, and one more when its key changes', async () => {
    let seals = 0;
    const counting: typeof sealEpochKey = (...args) => {
      seals += 1;
      return sealEpochKey(...args);
    };
    const share = new Share({ name: 'a', recipient: 'Organization/a', epochs: [], pages: 0 }, ring, counting);
    const [first, next] = [await makeHpkeKeyPair(), await makeHpkeKeyPair()];
    for (let i = 0; i < 50; i += 1) {
      await share.addTicket(`cid-${i}`, { reference: `Observation/${i}/1`, dataKey }, first.publicKey);
    }
    assert.equal(seals, 1);
    await share.addTicket('cid-0', { reference: 'Observation/0/1', dataKey }, first.publicKey);
    assert.equal(share.page.length, 50);
    await share.addTicket('cid-next', { reference: 'Observation/next/1', dataKey }, next.publicKey);
    assert.equal(seals, 2);
    assert.equal((await openBundle(share.bundle(share.page), first.privateKey)).length, 50);
    assert.equal((await openBundle(share.bundle(share.page), next.privateKey)).length, 1);
  });

  it('reads and writes as little beside many closed shares as beside one', async () => {
    let operations = 0;
    const counted = {
      getState: (key: string) => ((operations += 1), catalog.getState(key)),
      putState: (key: string, value: Uint8Array) => ((operations += 1), catalog.putState(key, value)),
    };
    const store = new ShareStore({ state: counted, ring });
    const { publicKey } = await makeHpkeKeyPair();
    const cost = async (patientId: string, revoked: number): Promise<number> => {
      for (let i = 0; i < revoked; i += 1) await store.make(patientId, `Organization/gone-${i}`);
      await store.saveOpen(patientId, [await store.make(patientId, 'Organization/stays')]);
      operations = 0;
      const [share] = await store.loadOpen(patientId);
      await share?.addTicket('cid', { reference: 'Observation/1/1', dataKey }, publicKey);
      await store.save(share as Share);
      // The revocation: the share is no longer open.
      await store.saveOpen(patientId, []);
      return operations;
    };
    assert.equal(await cost('many', REVOKED), await cost('one', 1));
  });

  it('seals once for a member who joins, once for each who stays when one leaves, whatever happened before', async () => {
    const store = new ShareStore({ state: catalog, ring });
    const groups = new GroupKeys(store, ring);
    const key = (await makeHpkeKeyPair()).publicKey;
    const members = (count: number) => new Map(Array.from({ length: count }, (_, i) => [`Practitioner/${i}`, key]));
    assert.equal((await groups.setMembers('Group/g', members(4))).seals, 4);
    assert.equal((await groups.setMembers('Group/g', members(5))).seals, 1);
    assert.equal((await groups.setMembers('Group/g', members(5))).seals, 0);
    for (let round = 0; round < 20; round += 1) {
      assert.equal((await groups.setMembers('Group/g', members(4))).seals, 4);
      assert.equal((await groups.setMembers('Group/g', members(5))).seals, 1);
    }
  });
});
