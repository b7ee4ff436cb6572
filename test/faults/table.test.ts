/**
 * The table of faults, by construction: each durable step of each procedure fails, lost and with its reply lost, and once more as the last thing that a
 * process does; then the server goes on, is asked again, and starts anew. Nothing acknowledged is lost, nothing is half there, nothing is anchored twice.
 *
 * Here a few of the rows; all with FAULTS=all (docs/faults.md, test/engines/faults.test.ts).
 */
import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { anchoredBatches } from '../../bench/lib/anchored.js';
import { TestServer } from '../e2e/server.js';
import { FaultPlane, ways, type Fault } from './fault-plane.js';
import { freePort } from '../e2e/smart/world.js';
import { prepareWorld } from './procedures/consents.js';
import { procedures } from './procedures/index.js';
import { eventually, isTransient, type Procedure, type Run } from './procedures/procedure.js';

const isAll = process.env.FAULTS === 'all';
/** `FAULTS_CRASH=only` or `none`: rows with a crash alone, or none of them. */
const crashes = { only: [true], none: [false] }[process.env.FAULTS_CRASH ?? ''] ?? [false, true];
const wanted = process.env.FAULTS_OF;

const plane = new FaultPlane();
let server: TestServer;
/** What was done again after its fault: all of it is there from then on. */
const done: Run[] = [];
/** Rows whose step was not taken that time: a loop may take one round less than when its steps were counted. */
const notTaken: string[] = [];
let rowCount = 0;

async function startServer(): Promise<void> {
  // The same port after a restart: tokens are for an address.
  const PORT = String(await freePort());
  server = await TestServer.start({ PORT, DEFAULT_CONSENT: 'deny', ANCHOR_MAX_AGE_MS: '10' }, plane.between);
  await prepareWorld(server);
}

const settled = () => eventually('the loops come to rest', () => Promise.resolve(plane.isQuiet(60)));

/** The durable steps that a procedure takes, its anchoring included. */
async function stepsOf(procedure: Procedure): Promise<string[]> {
  const run = await procedure.prepare(server);
  await settled();
  plane.record();
  const answer = await run.act();
  assert.ok(answer.status < 300, `${procedure.name}: ${answer.text}`);
  await settled();
  const steps = plane.stopRecording();
  await run.check(true);
  return steps;
}

function allFaults(steps: readonly string[]): Fault[] {
  return steps.flatMap((step) => ways.flatMap((way) => crashes.map((isCrash) => ({ step, way, isCrash }))));
}

/** One row: the fault, what the client is told, and what holds then. */
async function row(procedure: Procedure, fault: Fault): Promise<Run> {
  const run = await procedure.prepare(server);
  await settled();
  plane.arm(fault);
  const answer = await run.act();
  await settled();
  rowCount += 1;
  if (!plane.struck) {
    notTaken.push(nameOfRow(procedure, fault));
    plane.revive();
  }
  const isAcknowledged = answer.status < 300;
  assert.ok(isAcknowledged || isTransient(answer), `${answer.status} ${answer.text}`);
  if (fault.isCrash) await restart();
  // What was refused may still be under way.
  await settled();
  await run.check(isAcknowledged);
  return run;
}

function nameOfRow({ name }: Procedure, { step, way, isCrash }: Fault): string {
  return `${name}, ${step} ${way}${isCrash === true ? ', crash' : ''}`;
}

async function restart(): Promise<void> {
  // What a dead process does not store any more is what its end complains of.
  await server.halt().catch(() => undefined);
  plane.revive();
  await server.resume();
}

/** What the server logged of its defects: the words of a failure say little. */
function defects(): string {
  return server.logLines
    .filter((line) => line.includes('"defect"'))
    .slice(-3)
    .join('\n');
}

/** Every batch goes on where the one before ended. */
async function assertAnchoredOnce(): Promise<void> {
  const made = await server.post('Patient', { resourceType: 'Patient' });
  const location = `Patient/${made.body.id}`;
  const origin = server.baseUrl.replace(/\/fhir$/, '');
  const batches = await anchoredBatches(server.folder, {
    untilLeafOf: { origin, token: await server.tokenFor({}), location },
  });
  let size = 0;
  for (const { batch, prevSize, size: next } of batches) {
    assert.equal(prevSize, size, `batch ${batch} goes on where the one before ended`);
    size = next;
  }
}

describe('table of faults', () => {
  before(startServer);
  after(() => server.stop());

  for (const procedure of procedures.filter(({ name }) => wanted === undefined || name === wanted)) {
    it(`${procedure.name}: whichever durable step fails, nothing acknowledged is lost and nothing is half there`, async () => {
      const few: Fault[] = [{ step: procedure.decisive, way: 'reply lost' }];
      for (const fault of isAll ? allFaults(await stepsOf(procedure)) : few) {
        try {
          const run = await row(procedure, fault);
          plane.revive();
          await run.again();
          done.push(run);
        } catch (error) {
          plane.revive();
          throw new Error(`${nameOfRow(procedure, fault)}: ${String(error)}\n${defects()}`, { cause: error });
        }
      }
    });
  }

  it('the steps that were to fail did: each that decides, and nine of ten of all', (context) => {
    if (notTaken.length > 0) context.diagnostic(`${notTaken.length} of ${rowCount} not taken: ${notTaken.join('; ')}`);
    assert.ok(notTaken.length <= (isAll ? rowCount / 10 : 0), notTaken.join('\n'));
  });

  it('a server that starts anew on what all of them left has everything that was done', async () => {
    await restart();
    for (const run of done)
      await run.check(true).catch((error: unknown) => assert.fail(`${String(error)}\n${defects()}`));
  });

  it('after all of it, every version is anchored once', assertAnchoredOnce);
});
