/**
 * Chaos: engines and servers are killed (SIGKILL) and started again at random under bounded load. No acknowledged write is lost, no answer is wrong,
 * what is revoked or erased on one server is closed on both, and everything recovers without hands. CHAOS_SECONDS: how long (default 40); CHAOS_SEED: which chaos.
 */
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { setTimeout as pause } from 'node:timers/promises';
import { systemClock } from '../../src/base/clock.js';
import { TokenIssuer } from '../../src/smart/token-issuer.js';
import { ConditionalCreates, Deletions, Register, Transactions, type Answer, type Send, type Tally } from './support/chaos-client.js'; // prettier-ignore
import { Consents, reader } from './support/chaos-consents.js';
import { Erasures } from './support/chaos-erasures.js';
import { ServerProcess } from './support/server-process.js';
import { startEngines, type Engines } from './support/two-servers.js';

const seconds = Number(process.env.CHAOS_SECONDS ?? 40);
let seed = Number(process.env.CHAOS_SEED ?? Date.now() % 1_000_000);
const clients = 3;
const requestTimeoutMs = 20_000;
const recoveryMs = 120_000;

let engines: Engines;
let servers: readonly [ServerProcess, ServerProcess];
let token = '';
let readerToken = '';
const kills = new Map<string, number>();

before(async () => {
  // Clique needs more than half of its sealers: of three, each may be away.
  const env = { LOG_LEVEL: 'error', REFERENTIAL_INTEGRITY: 'off', DEFAULT_CONSENT: 'deny' };
  engines = await startEngines(env, { sealers: 3, everyKubo: true });
  servers = [await ServerProcess.start(engines.env(0)), await ServerProcess.start(engines.env(1))];
  await Promise.all(servers.map((server) => server.ready(recoveryMs)));
  const issuer = await TokenIssuer.open(engines.env(0).KEYS_DIR!);
  const claims = { actor: 'Organization/self', scope: 'system/*.cruds', purpose: 'TREAT', expiresInSeconds: 86_400 };
  token = await issuer.issue(claims, systemClock);
  readerToken = await issuer.issue({ ...claims, actor: reader, scope: 'user/*.rs' }, systemClock);
});

after(async () => {
  await Promise.all((servers ?? []).map((server) => server.stop()));
  await engines?.stop();
});

/** mulberry32 */
function random(): number {
  seed = (seed + 0x6d2b79f5) | 0;
  let t = Math.imul(seed ^ (seed >>> 15), 1 | seed);
  t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
  return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32;
}

function senderTo(server: ServerProcess): Send {
  return async (method, url, body, headers = {}): Promise<Answer> => {
    try {
      const response = await fetch(`${server.url}/fhir/${url}`, {
        method,
        headers: { Authorization: `Bearer ${token}`, 'Content-Type': 'application/fhir+json', ...headers },
        signal: AbortSignal.timeout(requestTimeoutMs),
        ...(body === undefined ? {} : { body: JSON.stringify(body) }),
      });
      const text = await response.text();
      const etag = response.headers.get('etag') ?? '';
      return { status: response.status, etag, body: text === '' ? undefined : JSON.parse(text) };
    } catch {
      return { status: 0, etag: '', body: undefined };
    }
  };
}

/** Kills one after the other, sometimes two at once, until the time is over; everything runs at the end. */
async function makeChaos(until: number): Promise<void> {
  const { mongo, kubo, geth } = engines;
  const restarted = (name: string, engine: { kill(): Promise<void>; restart(): Promise<void> }) => ({
    name,
    strike: async () => {
      await engine.kill();
      await pause(random() * 2_500);
      await engine.restart();
    },
  });
  const victims = [
    restarted('mongo', mongo),
    ...kubo.map((node) => restarted('kubo', node)),
    ...geth.nodes.map((node) => restarted('geth', node)),
    ...servers.map((server) => ({
      name: 'server',
      strike: async () => {
        server.kill();
        // Now and then something else is struck while it starts; else a slow machine would never have two servers.
        if (random() < 0.6) await server.ready(recoveryMs);
      },
    })),
  ];
  while (performance.now() < until) {
    await pause(500 + random() * 3_000);
    const first = Math.floor(random() * victims.length);
    const second = random() < 0.2 ? Math.floor(random() * victims.length) : first;
    const struck = [...new Set([first, second])].map((index) => victims[index]!);
    for (const { name } of struck) kills.set(name, (kills.get(name) ?? 0) + 1);
    await Promise.all(struck.map(({ strike }) => strike()));
  }
}

test(`${seconds} s of chaos: nothing acknowledged is lost, nothing is wrong, everything recovers by itself`, async (t) => {
  t.diagnostic(`CHAOS_SEED=${seed}`);
  const tally: Tally = { acknowledged: 0, unavailable: 0, reasons: new Map(), checked: 0, wrong: [] };
  const senders = servers.map(senderTo);
  const until = performance.now() + seconds * 1_000;
  const registers: Register[] = [];
  const consents: Consents[] = [];
  const transactions = new Transactions(tally);
  const conditional = new ConditionalCreates(tally);
  const deletions = new Deletions(tally);
  const erasures = new Erasures(tally);

  const client = async (own: number) => {
    const register = new Register(tally);
    const consent = new Consents(tally, readerToken);
    registers.push(register);
    consents.push(consent);
    for (let turn = own; performance.now() < until; turn += 1) {
      const [one, two] = [senders[turn % 2]!, senders[(turn + 1) % 2]!];
      await register.write(one);
      await register.check(two);
      if (turn % 4 === 0) {
        await transactions.write(one);
        await transactions.check(two);
      }
      if (turn % 4 === 1) {
        await conditional.write(senders);
        await conditional.check(two);
      }
      if (turn % 4 === 2) {
        await deletions.write(one);
        await deletions.check(two);
      }
      if (turn % 4 === 3) {
        await consent.write(one);
        await consent.check(two);
        await consent.check(one);
      }
      if (turn % 16 === 5) {
        await erasures.write(one);
        await erasures.check(two);
      }
      // Bounded load: while something is away, nobody hammers at it.
      await pause(20);
    }
  };
  await Promise.all([makeChaos(until), ...Array.from({ length: clients }, (_, own) => client(own))]);

  const endedAt = performance.now();
  await Promise.all(servers.map((server) => server.ready(recoveryMs)));
  t.diagnostic(`ready ${Math.round(performance.now() - endedAt)} ms after the end`);
  const before = tally.unavailable;
  for (const send of senders) {
    for (const register of registers) await register.check(send);
    for (const consent of consents) await consent.check(send, true);
    await transactions.check(send, true);
    await conditional.check(send, true);
    await deletions.check(send, true);
    await erasures.check(send, true);
  }
  const struck = [...kills].map(([name, count]) => `${name} ${count}`).join(', ');
  t.diagnostic(`killed: ${struck}; acknowledged ${tally.acknowledged} writes, ${tally.unavailable} unavailable, ${tally.checked} answers checked`); // prettier-ignore
  t.diagnostic(`unavailable: ${[...tally.reasons].map(([reason, count]) => `${count} x ${reason}`).join('; ')}`);
  assert.equal(tally.wrong.length, 0, tally.wrong.join('\n'));
  assert.equal(tally.unavailable, before, 'after the recovery nothing is away');
  assert.ok(tally.acknowledged >= 20, `${tally.acknowledged} writes were acknowledged`);
  assert.deepEqual(defectsOf(servers), [], 'no request ended in a defect');
  await everythingAnchored(t);
});

/** Defects of requests; a start while something is away ends the process, and the next one tries again. */
function defectsOf(all: readonly ServerProcess[]): string[] {
  return all.flatMap(({ defects }) => defects).filter((line) => !line.includes('"requestId":"start"'));
}

/** The log is anchored to its end, by whichever server leads. */
async function everythingAnchored(t: { diagnostic(text: string): void }): Promise<void> {
  const last = await senderTo(servers[0])('POST', 'Patient', { resourceType: 'Patient' }, { Prefer: 'wait=60' });
  assert.equal(last.status, 201);
  for (const send of servers.map(senderTo)) {
    let proof = await send('GET', `Patient/${last.body.id}/$proof`);
    for (let tries = 0; proof.status !== 200 && tries < 300; tries += 1) {
      await pause(200);
      proof = await send('GET', `Patient/${last.body.id}/$proof`);
    }
    assert.equal(proof.status, 200, JSON.stringify(proof.body));
  }
  t.diagnostic('the newest version is anchored, and proven by both servers');
}
