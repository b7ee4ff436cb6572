/** `mooring keys`: rotation, shares of the key ring, and how it comes back from them. Docs: docs/keys.md. */
import { readFile, writeFile, mkdir } from 'node:fs/promises';
import path from 'node:path';
import { setTimeout as after } from 'node:timers/promises';
import { systemClock } from '../base/clock.js';
import { readConfig, type Config } from '../config.js';
import { TokenIssuer } from '../smart/token-issuer.js';
import { createRing, readRing } from '../vault/file-key-ring.js';
import { KeyUnavailable } from '../vault/key-ring.js';
import { ringFromShares, sharesOf } from '../vault/ring-shares.js';
import { tellServers } from '../smart/told-events.js';
import { openConfiguredRing, ringForm } from '../wiring/ring-form.js';
import { openSealedStore } from '../wiring/smart.js';
import { argumentsOf, command, CommandRefused } from './command.js';

const usage = `Usage: mooring keys rotate master|compartments|index [--server URL]   rotates a key of the running server, and waits until it is done
       mooring keys status [--server URL]                              how far a rotation is
       mooring keys backup --shares N --threshold K [--out FOLDER]     the key ring in N shares, of which any K give it back
       mooring keys restore FILE...                                    the key ring from shares, where there is none
Shares are printed one a line, or written into FOLDER (share-1.txt, ...).`;

const rotated = ['master', 'compartments', 'index'];

export function run(args: string[]): Promise<number> {
  return command(usage, async () => {
    const parsed = argumentsOf(usage, args, {
      server: { type: 'string' },
      shares: { type: 'string' },
      threshold: { type: 'string' },
      out: { type: 'string' },
    });
    if (parsed === undefined) return 0;
    const config = readConfig(process.env);
    const [verb, ...rest] = parsed.positionals;
    const { values } = parsed;
    if (verb === 'rotate') return rotate(config, rest, values.server);
    if (verb === 'status') return status(config, values.server);
    if (verb === 'backup') return backup(config, values.shares, values.threshold, values.out);
    if (verb === 'restore') return restore(config, rest);
    throw new CommandRefused('expected rotate, status, backup or restore');
  });
}

async function backup(config: Config, sharesText = '', thresholdText = '', out?: string): Promise<number> {
  const [count, threshold] = [sharesText, thresholdText].map(Number) as [number, number];
  const isFit =
    Number.isInteger(count) && Number.isInteger(threshold) && threshold >= 2 && threshold <= count && count <= 255;
  if (!isFit)
    throw new CommandRefused('--shares (at most 255) and --threshold (2 to the number of shares) are expected');
  const ring = await readRing(config.keyRing.file, await ringForm(config.keyRing));
  if (ring === undefined) throw new KeyUnavailable(`there is no key ring at ${config.keyRing.file}`);
  const shares = await sharesOf(ring, count, threshold);
  await tellOfShares(config, count, threshold);
  if (out === undefined) {
    process.stdout.write(shares.map((share) => `${share}\n`).join(''));
    return 0;
  }
  await mkdir(out, { recursive: true, mode: 0o700 });
  for (const [index, share] of shares.entries()) {
    await writeFile(path.join(out, `share-${index + 1}.txt`), `${share}\n`, { mode: 0o600, flag: 'wx' });
  }
  console.log(
    `${count} shares are in ${out}; any ${threshold} of them give the key ring back. Keep them in different places.`,
  );
  return 0;
}

/** Whoever has enough shares has the key ring: that they were made is an AuditEvent of the server. */
async function tellOfShares(config: Config, count: number, threshold: number): Promise<void> {
  const store = await openSealedStore(config, await openConfiguredRing(config));
  try {
    await tellServers(store, systemClock, {
      kind: 'keys',
      query: `keys backup&shares=${count}&threshold=${threshold}`,
    });
  } finally {
    await store.close();
  }
}

async function restore(config: Config, files: readonly string[]): Promise<number> {
  if (files.length === 0) throw new CommandRefused('files with shares are expected');
  const form = await ringForm(config.keyRing);
  if ((await readRing(config.keyRing.file, form)) !== undefined) {
    throw new KeyUnavailable(`there is a key ring at ${config.keyRing.file}: it is not replaced`);
  }
  const texts = await Promise.all(files.map((file) => readFile(file, 'utf8')));
  const lines = texts.flatMap((text) => text.split('\n')).filter((line) => line.trim() !== '');
  const ring = await ringFromShares(lines);
  await createRing(config.keyRing.file, ring, form);
  console.log(`The key ring is back: ${ring.keys.length} master key(s), in ${config.keyRing.file}.`);
  return 0;
}

interface Progress {
  readonly state?: string;
  readonly key?: string;
  readonly step?: string;
  readonly done?: number;
  readonly total?: number;
  readonly failure?: string;
}

async function rotate(config: Config, [key, ...others]: readonly string[], server?: string): Promise<number> {
  if (key === undefined || !rotated.includes(key) || others.length > 0) {
    throw new CommandRefused(`one of ${rotated.join(', ')} is expected`);
  }
  let progress = await ask(config, server, 'POST', `?key=${key}`);
  while (progress.state === 'running') {
    show(progress);
    await after(300);
    progress = await ask(config, server, 'GET');
  }
  show(progress);
  if (progress.failure !== undefined) {
    console.error(
      `The rotation stopped (${progress.failure}); the server's log has the details. Starting it again goes on.`,
    );
    return 1;
  }
  console.log(`The rotation of ${key} is done.`);
  if (key === 'master') console.log('Make new shares now: mooring keys backup.');
  return 0;
}

async function status(config: Config, server?: string): Promise<number> {
  const progress = await ask(config, server, 'GET');
  console.log(progress.state === 'none' ? 'No rotation is under way.' : JSON.stringify(progress));
  return 0;
}

function show({ key, step, done = 0, total = 0 }: Progress): void {
  if (key !== undefined) process.stderr.write(`${key}: ${step} ${done}${total > 0 ? ` of ${total}` : ''}\n`);
}

async function ask(config: Config, server: string | undefined, method: string, query = ''): Promise<Progress> {
  const { host, port, organization, publicUrl } = config;
  const base = server ?? publicUrl ?? `http://${host.includes(':') ? `[${host}]` : host}:${port}`;
  const issuer = await TokenIssuer.open(config.keysDir);
  const claims = { actor: organization, scope: 'system/*.cruds', purpose: 'SYSADMN', expiresInSeconds: 60 };
  const token = await issuer.issue(claims, systemClock);
  let answer: Response;
  try {
    answer = await fetch(`${base}/fhir/$rotate-keys${query}`, {
      method,
      headers: { Authorization: `Bearer ${token}` },
    });
  } catch {
    throw new KeyUnavailable(`no server answers at ${base}; start it, or name it with --server`);
  }
  const body = (await answer.json()) as {
    parameter?: { name: string; valueString?: string; valueInteger?: number }[];
    issue?: { diagnostics?: string }[];
  };
  if (!answer.ok) throw new KeyUnavailable(body.issue?.[0]?.diagnostics ?? `the server answers ${answer.status}`);
  return Object.fromEntries((body.parameter ?? []).map((part) => [part.name, part.valueString ?? part.valueInteger]));
}
