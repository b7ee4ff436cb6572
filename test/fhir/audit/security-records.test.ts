import assert from 'node:assert/strict';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { after, before, describe, it } from 'node:test';
import { openFileAccessLog, type FileAccessLog } from '../../../src/commit/file-access-log.js';
import { mostOfAddress, SecurityRecords } from '../../../src/fhir/audit/security-records.js';

describe('records of refused logins', () => {
  const folder = mkdtempSync(path.join(tmpdir(), 'mooring-security-'));
  let now = 1_700_000_040_000;
  let log: FileAccessLog;
  let records: SecurityRecords;

  before(async () => {
    log = await openFileAccessLog(folder, new Uint8Array(32));
    records = new SecurityRecords(log, { now: () => now });
  });
  after(async () => {
    await log.close();
    rmSync(folder, { recursive: true });
  });

  const refuse = (address: string) => records.record({ kind: 'refused', outcome: 'deny', address, cause: 'no token' });
  const written = async (from: number) =>
    (await log.read(from, log.head().count)).map(({ interaction, address, cause }) => [interaction, address, cause]);

  it('a flood of one address fills no disk: so many a minute get a record, the rest is told by one', async () => {
    for (let count = 0; count < mostOfAddress + 500; count += 1) await refuse('192.0.2.7');
    assert.equal(log.head().count, mostOfAddress);
    await refuse('192.0.2.8');
    assert.equal(log.head().count, mostOfAddress + 1, 'others are recorded all the same');
    const before = log.head().count;
    now += 60_000;
    await refuse('192.0.2.7');
    const text = '500 further refusals within a minute, of 2 networks, most of them of this one';
    assert.deepEqual(await written(before), [
      ['auth:refused', '192.0.2.7', text],
      ['auth:refused', '192.0.2.7', 'no token'],
    ]);
  });

  it('addresses of one IPv6 network count together; what is permitted is always recorded', async () => {
    now += 60_000;
    const before = log.head().count;
    for (let count = 0; count < mostOfAddress + 10; count += 1) await refuse(`2001:db8:1:2:${count}::1`);
    assert.equal(log.head().count, before + mostOfAddress);
    await records.record({ kind: 'login', outcome: 'permit', address: '2001:db8:1:2:3::1', actor: 'Patient/ada' });
    assert.equal(log.head().count, before + mostOfAddress + 1);
    await records.flush();
    assert.match(String((await written(before)).at(-1)?.[2]), /^10 further refusals/);
    const { count } = log.head();
    await records.flush();
    assert.equal(log.head().count, count, 'told once');
  });
});
