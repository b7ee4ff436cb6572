/** `mooring validator`: runs a validator node, a process of its own with keys, definitions and memory of its own. Protocol: docs/poi.md, "Validators". */
import { appendFileSync } from 'node:fs';
import type { AddressInfo } from 'node:net';
import path from 'node:path';
import { parseArgs } from 'node:util';
import { toHex } from '../base/bytes.js';
import { createLog } from '../base/log.js';
import { parseVerifierKey, type NoteVerifier } from '../anchoring/note.js';
import { gatewayBlocks, serverBlocks } from '../anchoring/validator-node/http-blocks.js';
import { createValidatorDoor } from '../anchoring/validator-node/validator-door.js';
import { describeValidator, openValidatorKeys } from '../anchoring/validator-node/validator-keys.js';
import { ValidatorNode } from '../anchoring/validator-node/validator-node.js';
import { ValidatorState } from '../anchoring/validator-node/validator-state.js';
import { ConfigError, readConfig, type Config } from '../config.js';
import { Judges } from '../wiring/judges.js';
import { startEngine } from './validator-engine.js';

const usage = `Usage: mooring validator --server URL [--dir DIR] [--host HOST] [--port PORT] [--url URL] [--log-key KEY] [--ipfs URL] [--engine COMMAND]
       mooring validator --describe [--dir DIR] [--url URL] [--name NAME]
  --server    the server whose log is validated, without /fhir: where sealed blocks are fetched, and the log's key when --log-key is not given
  --dir       keys and memory of this validator (default ./validator); keys are made when there are none
  --host, --port  where to listen (default 127.0.0.1, port 9700; 0 takes a free one)
  --url       address that the server reaches it at (default http://HOST:PORT)
  --name      name of its cosignatures, for new keys (default validator-<address>)
  --log-key   the log's public key, as GET /log/key answers it; without it, it is fetched once from the server and kept in DIR
  --ipfs      a trustless IPFS gateway to fetch sealed blocks from, instead of the server
  --engine    command of a second validation engine (tools/engines/README.md); what it does not agree to is refused and recorded
  --describe  print the entry for the file that the server's VALIDATORS names, and end
PACKAGES, UNKNOWN_PROFILE, DEMANDED_PROFILES, BEST_PRACTICE and TERMINOLOGY_URL must be those of the network's ProfileSet; its digest is compared.`;

export async function run(args: string[]): Promise<number> {
  const options = {
    server: { type: 'string' },
    dir: { type: 'string', default: './validator' },
    host: { type: 'string', default: '127.0.0.1' },
    port: { type: 'string', default: '9700' },
    url: { type: 'string' },
    name: { type: 'string' },
    'log-key': { type: 'string' },
    ipfs: { type: 'string' },
    engine: { type: 'string' },
    describe: { type: 'boolean', default: false },
    help: { type: 'boolean', default: false },
  } as const;
  let values: ReturnType<typeof parseArgs<{ options: typeof options }>>['values'];
  let config: Config;
  try {
    ({ values } = parseArgs({ args, options }));
    config = readConfig(process.env);
  } catch (error) {
    if (!(error instanceof ConfigError || error instanceof TypeError)) throw error;
    console.error(`${error.message}\n${usage}`);
    return 2;
  }
  if (values.help) {
    console.log(usage);
    return 0;
  }
  const folder = path.resolve(values.dir);
  const port = Number(values.port);
  const problems = [
    ...(Number.isInteger(port) && port >= 0 && port <= 65_535 ? [] : [`--port is "${values.port}"`]),
    ...(values.name === undefined || /^[^\s+]{1,100}$/.test(values.name) ? [] : ['--name has spaces or a plus']),
    ...(values.describe || values.server !== undefined ? [] : ['--server is missing']),
    ...['server', 'url', 'ipfs'].flatMap((name) => {
      const given = values[name as 'server' | 'url' | 'ipfs'];
      return given === undefined || /^https?:\/\/[^/]+/.test(given) ? [] : [`--${name} "${given}" is no http address`];
    }),
  ];
  if (problems.length > 0) {
    console.error(`${problems.join('\n')}\n${usage}`);
    return 2;
  }
  const keys = await openValidatorKeys(folder, values.name);
  if (values.describe) {
    console.log(JSON.stringify(describeValidator(keys, values.url ?? `http://${values.host}:${port}`)));
    return 0;
  }
  const server = values.server!.replace(/\/+$/, '');
  const log = createLog(config.logLevel, (line) => void process.stderr.write(`${line}\n`));
  const blocks = values.ipfs === undefined ? serverBlocks(server) : gatewayBlocks(values.ipfs.replace(/\/+$/, ''));
  const engine = values.engine === undefined ? undefined : startEngine(values.engine);
  const judges = new Judges(config, blocks, log, engine?.judge);
  const state = await ValidatorState.open(folder);
  const node = new ValidatorNode({
    keys,
    state,
    blocks,
    judgeOf: (profileSet, briefing) => judges.under(profileSet, briefing),
    now: () => Math.floor(Date.now() / 1000),
    record: (disagreement) =>
      appendFileSync(path.join(folder, 'disagreements.jsonl'), `${JSON.stringify(disagreement)}\n`, { mode: 0o600 }),
  });
  let url = values.url ?? '';
  const door = createValidatorDoor({
    node,
    logKey: logKeyOf(state, values['log-key'], server),
    describe: () => ({
      ...describeValidator(keys, url),
      profileSet: toHex(judges.profileSet),
      ...(node.last && { last: node.last }),
    }),
  });
  await new Promise<void>((resolve, reject) => {
    door.once('error', reject);
    door.listen(port, values.host, resolve);
  });
  url ||= `http://${values.host}:${(door.address() as AddressInfo).port}`;
  console.log(JSON.stringify({ ...describeValidator(keys, url), profileSet: toHex(judges.profileSet) }));
  await new Promise<void>((resolve) => {
    for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, resolve);
  });
  door.closeAllConnections();
  await new Promise((resolve) => door.close(resolve));
  engine?.stop();
  return 0;
}

/** The pinned key of the log; fetched from the server only while none is pinned. */
function logKeyOf(state: ValidatorState, given: string | undefined, server: string): () => Promise<NoteVerifier> {
  let key = given === undefined ? undefined : parseVerifierKey(given.trim());
  return async () => {
    if (key !== undefined) return key;
    if (state.logKey === undefined) {
      const response = await fetch(`${server}/log/key`, { signal: AbortSignal.timeout(10_000) });
      if (!response.ok) throw new Error(`${server}/log/key answered ${response.status}`);
      const text = (await response.text()).trim();
      parseVerifierKey(text);
      await state.pinLogKey(text);
    }
    return (key = parseVerifierKey(state.logKey!));
  };
}
