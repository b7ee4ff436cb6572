import { after, before, describe, it } from 'node:test';
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { stringifyJson } from '../../src/base/json.js';
import { run } from '../../src/cli/verify.js';
import { buildProof } from '../../src/anchoring/proof-builder.js';
import { anchorerOf, proofSourceOf, settle, startNetwork, type Network } from './harness.js';

const root = fileURLToPath(new URL('../../../', import.meta.url));
type Answer = { status: number | null; out: string };

/** Runs a program with `input` on its standard input. */
function spawned(command: readonly string[], input = '', env: Record<string, string> = {}): Promise<Answer> {
  return new Promise((resolve, reject) => {
    const child = spawn(command[0], command.slice(1), { env: { ...process.env, ...env } });
    let out = '';
    child.stdout.on('data', (chunk: Buffer) => (out += chunk.toString()));
    child.stderr.on('data', (chunk: Buffer) => (out += chunk.toString()));
    child.on('error', reject).on('close', (status) => resolve({ status, out }));
    child.stdin.on('error', () => undefined).end(input);
  });
}

const mooring = [process.execPath, `${root}bin/mooring.mjs`, 'verify'];

/** The command in this process: quicker than a program for each of many cases. */
async function inProcess(args: readonly string[], input: string, folder: string): Promise<Answer> {
  const file = path.join(folder, 'proof.json');
  writeFileSync(file, input);
  const lines: string[] = [];
  const [log, error] = [console.log, console.error]; // eslint-disable-line no-console
  console.log = console.error = (line: string) => void lines.push(line); // eslint-disable-line no-console
  try {
    const status = await run(args.map((each) => (each === '-' ? file : each)));
    return { status, out: lines.join('\n') };
  } finally {
    [console.log, console.error] = [log, error]; // eslint-disable-line no-console
  }
}

const verifiers: Record<string, (args: readonly string[], input: string, folder: string) => Promise<Answer>> = {
  'mooring verify': inProcess,
  'tools/verify.py': (args, input) => spawned(['python3', `${root}tools/verify.py`, ...args], input),
};

describe('a proof checked from outside', () => {
  let network: Network;
  const documents: Record<string, string> = {};
  before(async () => {
    network = await startNetwork();
    const anchorer = anchorerOf(network);
    network.log.addMany(20);
    const row = network.log.add(
      '{"resourceType":"Observation","id":"o1","meta":{"versionId":"1"},"status":"final","code":{"text":"Hämoglobin"},"valueQuantity":{"value":13.50}}',
    );
    const gone = network.log.delete('Observation', 'o1', 2);
    await settle(anchorer);
    const source = proofSourceOf(network, [anchorer]);
    documents.resource = stringifyJson(await buildProof(source, row));
    documents.element = stringifyJson(
      await buildProof(source, row, { show: { elements: ['Observation.valueQuantity'] } }),
    );
    documents.deletion = stringifyJson(await buildProof(source, gone));
  });
  after(() => network.close());

  for (const [name, verify] of Object.entries(verifiers)) {
    it(`holds for ${name}, and not with another contract or a changed byte`, async () => {
      const [rpc, contract] = [network.embedded.url, network.contracts.anchorLog];
      for (const document of Object.values(documents)) {
        const held = await verify(['-', '--rpc', rpc, '--contract', contract], document, network.folder);
        assert.equal(held.status, 0, held.out);
        assert.match(held.out, /The proof holds/);
      }
      const refusals: [string, string[], RegExp][] = [
        [documents.resource, ['--contract', `0x${'12'.repeat(20)}`], /the trusted one is/],
        [documents.resource.replace('13.50', '13.51'), [], /content was changed/],
        [documents.resource.replace('Hämoglobin', 'Hamoglobin'), [], /content was changed/],
        [documents.element.replace('13.50', '13.5'), [], /lead to (another|the) commitment/],
        [documents.deletion.replace('.123Z', '.124Z'), [], /parts of the leaf hash to/],
        [
          documents.resource.replace(/("name":"inclusion","valueString":"0x)(.)/, otherDigit),
          [],
          /inclusion path leads to/,
        ],
        [documents.resource.replace(/("name":"vs","valueString":"0x.{20})(.)/, otherDigit), [], /is not its signature/],
        [documents.resource, ['--confirmations', '1000'], /1000 are wanted/],
        ['{"resourceType":"Patient"}', [], /no FHIR Parameters/],
        ['{', [], /does not hold/],
      ];
      for (const [document, options, reason] of refusals) {
        const refused = await verify(['-', '--rpc', rpc, ...options], document, network.folder);
        assert.match(refused.out, reason);
        assert.equal(refused.status, 1, refused.out);
      }
      assert.equal((await verify(['-', '--rpc', 'http://127.0.0.1:1'], documents.resource, network.folder)).status, 3);
      assert.equal((await verify([], '', network.folder)).status, 2);
    });
  }

  it('is checked by mooring verify against the configured chain when no endpoint is given', async () => {
    const { DATA_DIR, file } = { DATA_DIR: network.folder, file: path.join(network.folder, 'proof.json') };
    writeFileSync(file, documents.resource);
    const command = [...mooring, file];
    writeFileSync(path.join(network.folder, 'chain', 'contracts.json'), JSON.stringify(network.contracts));
    const held = await spawned(command, '', { DATA_DIR });
    assert.equal(held.status, 0, held.out);
    assert.doesNotMatch(held.out, /the contract is the one that the proof names/);
    const elsewhere = { ...network.contracts, anchorLog: `0x${'12'.repeat(20)}` };
    writeFileSync(path.join(network.folder, 'chain', 'contracts.json'), JSON.stringify(elsewhere));
    assert.equal((await spawned(command, '', { DATA_DIR })).status, 1);
    const absent = await spawned(command, '', { DATA_DIR: path.join(network.folder, 'nothing') });
    assert.match(absent.out, /is not running; start the server or give --rpc/);
    assert.equal(absent.status, 2);
  });
});

/** For String.replace: another digit in the place of the one behind what matched first. */
function otherDigit(_match: string, before: string, digit: string): string {
  return before + (digit === 'f' ? 'e' : 'f');
}
