/**
 * `kill -9` of the whole server (its embedded chain too) at random moments under load, twenty times over: what was acknowledged is there, no half
 * transaction shows, everything is anchored exactly once.
 */
import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { after, it } from 'node:test';
import { setTimeout as pause } from 'node:timers/promises';
import { systemClock } from '../../src/base/clock.js';
import { TokenIssuer } from '../../src/smart/token-issuer.js';
import { ServerProcess } from '../../bench/lib/process.js';
import { anchoredBatches } from '../../bench/lib/anchored.js';

const rounds = 20;
const transactionSize = 25;
const system = 'urn:mooring:kill-test';

const dataDir = mkdtempSync(path.join(tmpdir(), 'mooring-kill-'));
after(() => rmSync(dataDir, { recursive: true, force: true }));

interface Acknowledged {
  readonly location: string;
  readonly value: string;
}

let token = '';

async function request(
  server: ServerProcess,
  method: string,
  target: string,
  body?: object,
): Promise<{ status: number; json: never }> {
  const answer = await fetch(`${server.origin}/fhir/${target}`, {
    method,
    headers: { Authorization: `Bearer ${token}`, 'Content-Type': 'application/fhir+json' },
    ...(body === undefined ? {} : { body: JSON.stringify(body) }),
  });
  return { status: answer.status, json: (await answer.json()) as never };
}

const patient = (value: string) => ({
  resourceType: 'Patient',
  identifier: [{ system, value }],
  name: [{ family: 'Kill', given: [value] }],
});

function transaction(value: string): object {
  const entry = Array.from({ length: transactionSize }, (_, index) => ({
    fullUrl: `urn:uuid:${randomUUID()}`,
    resource: index === 0 ? patient(value) : patient(`${value}-${index}`),
    request: { method: 'POST', url: 'Patient' },
  }));
  for (const { resource } of entry) resource.identifier.push({ system: `${system}:transaction`, value });
  return { resourceType: 'Bundle', type: 'transaction', entry };
}

interface Load {
  readonly acknowledged: Acknowledged[];
  readonly acknowledgedTransactions: string[];
  readonly allTransactions: string[];
}

/** Creates and transactions from six writers until the server is gone. */
async function writeUntilKilled(server: ServerProcess, written: Load): Promise<void> {
  const single = async () => {
    for (;;) {
      const value = randomUUID();
      const { status, json } = await request(server, 'POST', 'Patient', patient(value));
      assert.equal(status, 201);
      written.acknowledged.push({ location: `Patient/${(json as { id: string }).id}`, value });
    }
  };
  const whole = async () => {
    for (;;) {
      const value = randomUUID();
      written.allTransactions.push(value);
      const { status } = await request(server, 'POST', '', transaction(value));
      assert.equal(status, 200);
      written.acknowledgedTransactions.push(value);
    }
  };
  const gone = (error: unknown) => {
    if (!(error instanceof TypeError || error instanceof SyntaxError)) throw error;
  };
  await Promise.all([single(), single(), single(), single(), whole(), whole()].map((writer) => writer.catch(gone)));
}

async function check(server: ServerProcess, written: Load): Promise<void> {
  for (const { location, value } of written.acknowledged) {
    const { status, json } = await request(server, 'GET', location);
    assert.equal(status, 200, `${location} was acknowledged`);
    assert.equal((json as { identifier: { value: string }[] }).identifier[0].value, value);
  }
  for (const value of written.allTransactions) {
    const query = `Patient?identifier=${encodeURIComponent(`${system}:transaction|${value}`)}&_count=100&_total=accurate`;
    const { status, json } = await request(server, 'GET', query);
    const { total, entry = [] } = json as { total: number; entry?: object[] };
    assert.equal(status, 200);
    const expected = written.acknowledgedTransactions.includes(value) ? [transactionSize] : [0, transactionSize];
    assert.ok(expected.includes(total), `transaction ${value}: ${total} of ${transactionSize} are visible`);
    assert.equal(entry.length, total);
  }
}

it(
  'kill -9 at random moments, twenty times, loses nothing acknowledged, shows no half transaction, and anchors everything once',
  { timeout: 280_000 },
  async () => {
    let total = 0;
    for (let round = 0; round < rounds; round += 1) {
      const server = await ServerProcess.start(dataDir);
      if (round === 0) {
        const issuer = await TokenIssuer.open(path.join(dataDir, 'keys'));
        token = await issuer.issue(
          { actor: 'Organization/self', scope: 'system/*.cruds', purpose: 'TREAT', expiresInSeconds: 3_600 },
          systemClock,
        );
      }
      const written: Load = { acknowledged: [], acknowledgedTransactions: [], allTransactions: [] };
      const writing = writeUntilKilled(server, written);
      // Once in a while before the first answer; else at a moment of the load, however slow the machine is.
      const isLoaded = () => written.acknowledged.length > 0 && written.acknowledgedTransactions.length > 0;
      while (round % 5 > 0 && !isLoaded()) await pause(5);
      await pause(20 + Math.random() * 700);
      await server.kill({ withChain: round % 2 === 1 });
      await writing;
      const again = await ServerProcess.start(dataDir);
      await check(again, written);
      total += written.acknowledged.length + transactionSize * written.acknowledgedTransactions.length;
      if (round % 3 === 2) assert.equal(await again.stop(), 0);
      else await again.kill({ withChain: false });
    }
    assert.ok(total > 500, `${total} resources were acknowledged`);
    const server = await ServerProcess.start(dataDir);
    const { status, json } = await request(server, 'POST', 'Patient', patient('last'));
    assert.equal(status, 201);
    const batches = await anchoredBatches(dataDir, {
      untilLeafOf: { origin: server.origin, token, location: `Patient/${(json as { id: string }).id}` },
    });
    let size = 0;
    batches.forEach((batch, index) => {
      assert.equal(batch.batch, index + 1);
      assert.equal(
        batch.prevSize,
        size,
        'each batch goes on where the one before ended: nothing twice, nothing left out',
      );
      size = batch.size;
    });
    assert.equal(await server.stop(), 0);
  },
);
