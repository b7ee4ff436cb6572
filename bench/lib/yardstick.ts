/** What the same machine does, at the same time, without a FHIR server: bare Express and bare SQLite. */
import { fork, type ChildProcess } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import express from 'express';
import Database from 'libsql';
import { during, load, type LoadResult } from './load.js';
import { freePort, processorMs, type ProcessorTime } from './process.js';

/** A bare Express server in a process of its own, with 2 KB of JSON at `/json`. */
export async function startExpress(): Promise<{ readonly child: ChildProcess; readonly origin: string }> {
  const port = await freePort();
  const child = fork(fileURLToPath(import.meta.url), [String(port)]);
  await new Promise((resolve) => child.once('message', resolve));
  return { child, origin: `http://127.0.0.1:${port}` };
}

/** GETs of 2 KB of JSON from a bare Express server. */
export async function expressYardstick(
  connections: number,
  seconds: number,
): Promise<LoadResult & { readonly processorMs: ProcessorTime }> {
  const { child, origin } = await startExpress();
  try {
    const before = processorMs(child.pid as number);
    const result = await load(
      origin,
      undefined,
      connections,
      during(seconds, () => ({ method: 'GET', path: '/json' })),
    );
    const { main, all } = processorMs(child.pid as number);
    return { ...result, processorMs: { main: main - before.main, all: all - before.all } };
  } finally {
    child.kill();
  }
}

/** Durable (synchronous=FULL) inserts of 2 KB, one a transaction, a second. */
export function sqliteYardstick(seconds: number): number {
  const folder = mkdtempSync(path.join(tmpdir(), 'mooring-yardstick-'));
  const database = new Database(path.join(folder, 'yardstick.sqlite'));
  database.exec(
    'PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; CREATE TABLE record (id INTEGER PRIMARY KEY, body BLOB)',
  );
  const insert = database.prepare('INSERT INTO record (body) VALUES (?)');
  const body = randomBytes(2048);
  const startedAt = performance.now();
  let count = 0;
  for (; performance.now() - startedAt < seconds * 1000; count += 1) insert.run([body]);
  const rate = count / ((performance.now() - startedAt) / 1000);
  database.close();
  rmSync(folder, { recursive: true });
  return rate;
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const app = express();
  const body = Buffer.from(JSON.stringify({ text: 'x'.repeat(2000) }));
  app.disable('x-powered-by');
  app.get('/json', (_request, response) => {
    response.setHeader('Content-Type', 'application/fhir+json');
    response.end(body);
  });
  app.listen(Number(process.argv[2]), '127.0.0.1', () => process.send?.('ready'));
}
