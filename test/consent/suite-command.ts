/**
 * `npm run consent-suite -- URL`: the consent cases against any FHIR server, one line for each that fails, and a sum.
 *
 * Tokens: of the local issuer below DATA_DIR, or of any command: `--token-command` is run by a shell with ACTOR, PURPOSE, MEMBERSHIPS (separated by
 * spaces) and SCOPE in its environment, and prints a token; ACTOR is empty for the administrator.
 */
import { spawnSync } from 'node:child_process';
import path from 'node:path';
import { parseArgs } from 'node:util';
import { systemClock } from '../../src/base/clock.js';
import { readConfig } from '../../src/config.js';
import { TokenIssuer } from '../../src/smart/token-issuer.js';
import { runConsentSuite, type TokenRequest } from './http-suite.js';

const usage = 'Usage: npm run consent-suite -- URL [--implicit deny|permit] [--token-command COMMAND] [--verbose]';
const scope = 'system/*.cruds';

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    implicit: { type: 'string', default: 'deny' },
    'token-command': { type: 'string' },
    verbose: { type: 'boolean', default: false },
  },
});
const [url] = positionals;
const { implicit } = values;
if (url === undefined || (implicit !== 'deny' && implicit !== 'permit')) {
  process.stderr.write(`${usage}\n`);
  process.exit(2);
}

const command = values['token-command'];
const token = command === undefined ? await localTokens() : (request?: TokenRequest) => tokenOf(command, request);
const baseUrl = url.replace(/\/+$/, '');
const startedAt = performance.now();
const results = await runConsentSuite({ baseUrl, implicit, token, adminToken: await token() });
for (const { name, outcome, detail } of results) {
  if (outcome === 'failed' || values.verbose)
    process.stdout.write(`${outcome.padEnd(8)}${name}${detail === undefined ? '' : `: ${detail}`}\n`);
}
const count = (wanted: string) => results.filter(({ outcome }) => outcome === wanted).length;
const seconds = ((performance.now() - startedAt) / 1000).toFixed(1);
process.stdout.write(
  `${`${count('passed')} passed, ${count('failed')} failed, ${count('skipped')} not asked, in ${seconds} s`}\n`,
);
process.exit(count('failed') === 0 ? 0 : 1);

async function localTokens(): Promise<(request?: TokenRequest) => Promise<string>> {
  const config = readConfig(process.env);
  const issuer = await TokenIssuer.open(path.join(config.dataDir, 'keys'));
  return (request) =>
    issuer.issue(
      { actor: config.organization, purpose: 'TREAT', scope, expiresInSeconds: 3_600, ...request },
      systemClock,
    );
}

function tokenOf(shellCommand: string, request?: TokenRequest): Promise<string> {
  const env = {
    ...process.env,
    ACTOR: request?.actor ?? '',
    PURPOSE: request?.purpose ?? 'TREAT',
    MEMBERSHIPS: (request?.memberships ?? []).join(' '),
    SCOPE: scope,
  };
  const { status, stdout } = spawnSync('sh', ['-c', shellCommand], { env, encoding: 'utf8' });
  if (status !== 0) throw new Error(`the token command ended with ${String(status)}`);
  return Promise.resolve(stdout.trim());
}
