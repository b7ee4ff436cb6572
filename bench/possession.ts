/**
 * Possession over 64 MB: `npm run bench -- possession [--megabytes 64]`.
 *
 * A real server, its sealed blocks on disk; an auditor who holds the checkpoint asks for 460 leaves over HTTP and checks the answers.
 */
import { randomBytes } from 'node:crypto';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { parseArgs } from 'node:util';
import { possessionProblem, usualCount, type Possessed } from '../src/anchoring/possession.js';
import { createLog } from '../src/base/log.js';
import { readConfig } from '../src/config.js';
import { createServer } from '../src/server.js';
import { number, printTable } from './lib/table.js';

const { values } = parseArgs({
  args: process.argv.slice(2).filter((argument) => argument !== 'possession'),
  options: { megabytes: { type: 'string', default: '64' } },
});
/** Random bytes of a resource: they cannot be packed. */
const contentBytes = 12 * 1024;
const bundleSize = 100;
const count = Math.ceil((Number(values.megabytes) * 1024 * 1024) / contentBytes);

interface Part {
  name: string;
  part: Part[];
  valueDecimal: number;
  valueBase64Binary: string;
  valueString: string;
}

/** True when the system forgot what it had read of the disk. */
function dropCaches(): boolean {
  try {
    writeFileSync('/proc/sys/vm/drop_caches', '3');
    return true;
  } catch {
    return false;
  }
}

function answersIn(leaves: readonly Part[]): Possessed[] {
  return leaves.map(({ part }) => {
    const one = (name: string) => part.find((each) => each.name === name);
    const entry = Buffer.from(one('entry')?.valueBase64Binary ?? '', 'base64');
    const block = one('block');
    return {
      leafIndex: one('index')?.valueDecimal ?? -1,
      entry,
      ...(block && { block: Buffer.from(block.valueBase64Binary, 'base64') }),
      inclusion: part
        .filter(({ name }) => name === 'inclusion')
        .map(({ valueString }) => Buffer.from(valueString.slice(2), 'hex')),
    };
  });
}

const folder = mkdtempSync(path.join(tmpdir(), 'mooring-bench-possession-'));
const config = readConfig({ DATA_DIR: folder, PORT: '0', DEFAULT_CONSENT: 'permit', LOG_LEVEL: 'silent' });
const server = await createServer(
  config,
  createLog('silent', () => undefined),
);
try {
  const headers = { authorization: `Bearer ${await server.token()}`, 'content-type': 'application/fhir+json' };
  for (let from = 0; from < count; from += bundleSize) {
    const entry = Array.from({ length: Math.min(bundleSize, count - from) }, () => ({
      resource: {
        resourceType: 'Binary',
        contentType: 'application/octet-stream',
        data: randomBytes(contentBytes).toString('base64'),
      },
      request: { method: 'POST', url: 'Binary' },
    }));
    const body = JSON.stringify({ resourceType: 'Bundle', type: 'transaction', entry });
    const { status } = await fetch(server.baseUrl, { method: 'POST', headers, body });
    if (status !== 200) throw new Error(`a bundle was answered with ${status}`);
  }
  let note = '';
  do {
    await new Promise((resolve) => setTimeout(resolve, 500));
    note = await (await fetch(`${server.url}/log/checkpoint`)).text();
  } while (Number(note.split('\n')[1]) < count);
  const [origin, size, root] = note.split('\n');
  const checkpoint = { origin, size: Number(size), root: Buffer.from(root, 'base64') };
  const times: number[] = [];
  const checks: number[] = [];
  let isCold = true;
  for (let round = 0; round < 5; round += 1) {
    isCold = dropCaches() && isCold;
    const challenge = { seed: randomBytes(32), size: checkpoint.size, count: usualCount };
    const url = `${server.baseUrl}/$possession?seed=${challenge.seed.toString('hex')}&size=${challenge.size}`;
    const start = performance.now();
    const answer = (await (await fetch(url, { headers })).json()) as { parameter: Part[] };
    const answered = performance.now();
    const problem = possessionProblem(challenge, answersIn(answer.parameter), checkpoint);
    if (problem !== undefined) throw new Error(problem);
    times.push(answered - start);
    checks.push(performance.now() - answered);
  }
  const ms = (all: number[]) => `${all.map((time) => time.toFixed(0)).join(', ')} ms`;
  printTable(`Possession of ${number(count)} sealed blocks, ${values.megabytes} MB`, [
    {
      name: `${usualCount} challenges answered over HTTP`,
      value: ms(times),
      note: isCold ? 'disk read anew' : 'disk cached',
    },
    { name: 'answers checked', value: ms(checks) },
  ]);
} finally {
  await server.close();
  rmSync(folder, { recursive: true });
}
