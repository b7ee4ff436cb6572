/** Starts the server, says where everything is, and stops it cleanly on SIGTERM or SIGINT. */
import { boundHeapGrowth } from './base/heap.js';
import { createLog } from './base/log.js';
import { ConfigError, readConfig, type Config } from './config.js';
import { createServer, type Server } from './server.js';

boundHeapGrowth();

const stopTimeoutMs = 20_000;

function configured(): Config {
  try {
    return readConfig(process.env);
  } catch (error) {
    if (!(error instanceof ConfigError)) throw error;
    process.stderr.write(`The configuration is wrong:\n${error.problems.map((problem) => `  ${problem}\n`).join('')}`);
    process.exit(2);
  }
}

async function started(config: Config): Promise<Server> {
  try {
    return await createServer(config, log);
  } catch (error) {
    log.write({ event: 'defect', requestId: 'start', error });
    process.stderr.write(`The server could not start: ${error instanceof Error ? error.message : String(error)}\n`);
    process.exit(1);
  }
}

function announcement(server: Server, token: string): string {
  return [
    '',
    '  Mooring is ready',
    `    FHIR base URL   ${server.baseUrl}`,
    `    data            ${config.dataDir}`,
    `    chain           ${server.chainUrl} (id ${server.chainId})`,
    `    try             curl -H 'Authorization: Bearer ${token}' ${server.baseUrl}/Patient`,
    '                    (the token is valid for one hour; npx mooring token prints others)',
    '',
    '',
  ].join('\n');
}

function stopOn(signal: NodeJS.Signals, server: Server): void {
  process.once(signal, () => {
    log.write({ event: 'stopping', signal });
    setTimeout(() => process.exit(1), stopTimeoutMs + config.serving.drainMs).unref();
    server.close().then(
      () => {
        log.write({ event: 'stopped' });
        process.exit(0);
      },
      (error: unknown) => {
        log.write({ event: 'defect', requestId: 'stop', error });
        process.exit(1);
      },
    );
  });
}

const config = configured();
const log = createLog(config.logLevel, (line) => process.stderr.write(`${line}\n`));
const server = await started(config);
stopOn('SIGTERM', server);
stopOn('SIGINT', server);
process.stdout.write(announcement(server, await server.token({ scope: 'system/*.cruds' })));
