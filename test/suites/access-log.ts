/** What every AccessLog does. */
import assert from 'node:assert/strict';
import { test, type TestContext } from 'node:test';
import type { AccessLog, AccessRecord } from '../../src/commit/access-log.js';

export interface OpenedAccessLog {
  readonly log: AccessLog;
  reopen(): Promise<AccessLog>;
}

export function accessRecord(number: number): AccessRecord {
  return {
    time: 1_700_000_000_000 + number,
    requestId: `request-${number}`,
    actor: 'Practitioner/1',
    client: 'app',
    purpose: 'TREAT',
    interaction: 'read',
    outcome: number % 2 === 0 ? 'permit' : 'deny',
    entities: [`Observation/${number}/_history/1`],
    patients: ['p1'],
    block: 7,
  };
}

export function accessLogSuite(name: string, openLog: (t: TestContext) => Promise<OpenedAccessLog>): void {
  test(`${name}: records come back as they were appended, numbered without gaps`, async (t) => {
    const { log } = await openLog(t);
    for (let number = 0; number < 5; number += 1) await log.append(accessRecord(number));
    assert.deepEqual(await log.read(0, 5), [0, 1, 2, 3, 4].map(accessRecord));
    assert.deepEqual(await log.read(2, 4), [2, 3].map(accessRecord));
    assert.deepEqual(await log.read(4, 99), [accessRecord(4)]);
    assert.equal(log.head().count, 5);
  });

  test(`${name}: absent client and block stay absent`, async (t) => {
    const { log } = await openLog(t);
    const { client, block, ...record } = accessRecord(0);
    assert.ok(client !== undefined && block !== undefined);
    await log.append(record);
    assert.deepEqual(await log.read(0, 1), [record]);
  });

  test(`${name}: appends at the same time are all kept, in one order`, async (t) => {
    const { log } = await openLog(t);
    await Promise.all(Array.from({ length: 200 }, (_, number) => log.append(accessRecord(number))));
    assert.equal(log.head().count, 200);
    const requests = (await log.read(0, 200)).map(({ requestId }) => requestId);
    assert.deepEqual(
      requests,
      Array.from({ length: 200 }, (_, number) => `request-${number}`),
    );
  });

  test(`${name}: records and the digest of the chain are there after a restart, and the chain goes on`, async (t) => {
    const { log, reopen } = await openLog(t);
    for (let number = 0; number < 10; number += 1) await log.append(accessRecord(number));
    const before = log.head();
    const again = await reopen();
    assert.deepEqual(again.head(), before);
    await again.append(accessRecord(10));
    assert.equal(again.head().count, 11);
    assert.notDeepEqual(again.head().digest, before.digest);
    assert.deepEqual(
      (await again.read(9, 11)).map(({ requestId }) => requestId),
      ['request-9', 'request-10'],
    );
  });

  test(`${name}: every record changes the digest of the chain`, async (t) => {
    const { log } = await openLog(t);
    const digests = new Set<string>();
    for (let number = 0; number < 20; number += 1) {
      await log.append(accessRecord(0));
      digests.add(Buffer.from(log.head().digest).toString('hex'));
    }
    assert.equal(digests.size, 20);
  });
}
