/** `mooring import`: posts bundles and NDJSON to a server, with progress, rates and a summary of refusals; resumable. */
import path from 'node:path';
import { parseArgs } from 'node:util';
import { systemClock } from '../base/clock.js';
import { readConfig } from '../config.js';
import { TokenIssuer } from '../smart/token-issuer.js';
import { Progress } from './import/progress.js';
import { ImportState } from './import/state.js';
import { filesToImport, isPrerequisite, piecesOf, type Piece } from './import/work.js';

const usage = `Usage: mooring import DIR|FILE... [--server URL] [--token TOKEN] [--connections N] [--state FILE] [--again]
  DIR|FILE       bundles (.json), single resources (.json) and NDJSON (.ndjson); of a folder, organisations and practitioners go first
  --server       base URL of the server (default http://HOST:PORT/fhir)
  --token        bearer token (default: one of the local issuer in DATA_DIR)
  --connections  requests at once, 1 to 64 (default 4)
  --state        where progress is kept (default DATA_DIR/import.state)
  --again        import also what was imported before
Exit status: 0 when everything was taken, 1 when something was refused, 2 when the server could not be reached or a file not be read.`;

export async function run(args: string[]): Promise<number> {
  const { values, positionals } = parseArgs({
    args,
    allowPositionals: true,
    options: {
      server: { type: 'string' },
      token: { type: 'string' },
      connections: { type: 'string', default: '4' },
      state: { type: 'string' },
      again: { type: 'boolean', default: false },
      help: { type: 'boolean', default: false },
    },
  });
  const connections = Number(values.connections);
  if (
    values.help ||
    positionals.length === 0 ||
    !Number.isInteger(connections) ||
    connections < 1 ||
    connections > 64
  ) {
    console.error(usage);
    return values.help ? 0 : 2;
  }
  const config = readConfig(process.env);
  const server = (values.server ?? `http://${config.host}:${config.port}/fhir`).replace(/\/+$/, '');
  const token = values.token ?? (await localToken(config.keysDir, config.organization));
  const state = new ImportState(values.state ?? path.join(config.dataDir, 'import.state'), server);
  const progress = new Progress(process.stderr);
  try {
    const files = await filesToImport(positionals);
    progress.expect(files.length);
    const send = async (file: string) => {
      for await (const piece of piecesOf(file, values.again ? 0 : state.consumedOf(file))) {
        await post(server, token, piece, progress);
        state.note(file, piece.consumed);
      }
      progress.fileDone();
    };
    for (const file of files.filter(isPrerequisite)) await send(file);
    await inParallel(
      files.filter((file) => !isPrerequisite(file)),
      connections,
      send,
    );
    progress.end();
    return progress.refusals.length > 0 ? 1 : 0;
  } catch (error) {
    progress.end();
    console.error(`Import stopped: ${(error as Error).message}\nThe same command goes on from here.`);
    return 2;
  }
}

async function localToken(folder: string, actor: string): Promise<string> {
  const issuer = await TokenIssuer.open(folder);
  return issuer.issue({ actor, scope: 'system/*.cruds', purpose: 'TREAT', expiresInSeconds: 86_400 }, systemClock);
}

async function inParallel<T>(items: readonly T[], workers: number, work: (item: T) => Promise<void>): Promise<void> {
  let next = 0;
  const worker = async () => {
    while (next < items.length) {
      next += 1;
      await work(items[next - 1]);
    }
  };
  await Promise.all(Array.from({ length: workers }, worker));
}

interface OutcomeText {
  issue?: { diagnostics?: string; expression?: string[] }[];
}

interface ResponseBundle {
  entry?: { response?: { status?: string; outcome?: OutcomeText } }[];
}

/** Sends one piece; a refusal is noted and the import goes on. @throws Error when the server cannot be reached or refuses the token. */
async function post(server: string, token: string, piece: Piece, progress: Progress): Promise<void> {
  const response = await fetch(server, {
    method: 'POST',
    headers: {
      'Content-Type': 'application/fhir+json',
      Accept: 'application/fhir+json',
      Authorization: `Bearer ${token}`,
    },
    body: piece.bundle,
  }).catch((error: Error) => {
    throw new Error(
      `${server} cannot be reached (${error.cause instanceof Error ? error.cause.message : error.message})`,
    );
  });
  const body = (await response.json().catch(() => ({}))) as ResponseBundle & OutcomeText;
  if (response.status === 401 || response.status === 403)
    throw new Error(`the server refuses the token: ${reasonOf(body)}`);
  if (response.status === 503 || response.status === 507)
    throw new Error(`the server cannot take it now: ${reasonOf(body)}`);
  if (!response.ok) {
    progress.refused(piece.name, `${response.status} ${reasonOf(body)}`);
    return;
  }
  (body.entry ?? []).forEach((entry, index) => {
    const status = entry.response?.status ?? '';
    if (status.startsWith('2')) progress.taken(1);
    else progress.refused(piece.entryNames[index] ?? piece.name, `${status} ${reasonOf(entry.response?.outcome)}`);
  });
}

function reasonOf(outcome: OutcomeText | undefined): string {
  const issues = outcome?.issue ?? [];
  return (
    issues.map((issue) => [issue.expression?.join(', '), issue.diagnostics].filter(Boolean).join(': ')).join('; ') ||
    'without a reason'
  );
}
