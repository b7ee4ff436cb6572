/** `mooring verify`: checks a proof document against a chain, with no server involved. */
import { readFile } from 'node:fs/promises';
import path from 'node:path';
import { parseArgs } from 'node:util';
import { parseJson } from '../base/json.js';
import { JsonError } from '../base/json-parser.js';
import type { Hex } from '../chain/chain.js';
import { ConfigError, readConfig } from '../config.js';
import { verifySdJwtFile } from './verify-sd-jwt.js';
import { fromParameters } from '../anchoring/proof-parameters.js';
import { ProofFormatError, type Proof } from '../anchoring/proof.js';
import { fetchRpc, ProofRefused, verifyProof, type Shown } from '../anchoring/verify-proof.js';

const usage = `Usage: mooring verify PROOF.json [--rpc URL] [--contract ADDRESS] [--confirmations N]
       mooring verify --sd-jwt FILE --issuer-keys FILE|URL
  PROOF.json       what GET [base]/[type]/[id]/$proof or $disclose answered; - reads standard input
  --rpc            JSON-RPC endpoint of the chain (default: the configured chain)
  --contract       the AnchorLog that you trust (default with the configured chain: its contract; else the one that the proof names)
  --confirmations  blocks that must lie on the anchor, its own included (default 1)
  --sd-jwt         a document of $disclose?as=sd-jwt, whole or cut by its holder
  --issuer-keys    JWK set (or metadata with one) of the issuer that you trust
Exit status: 0 the proof holds, 1 it does not (the reason is printed), 2 the question is wrong, 3 the chain does not answer.`;

/** What the configured chain says about itself. */
interface Trusted {
  readonly url: string;
  readonly contract?: Hex;
}

export async function run(args: string[]): Promise<number> {
  let values: Partial<Record<'rpc' | 'contract' | 'sd-jwt' | 'issuer-keys', string>> & {
    confirmations: string;
    help: boolean;
  };
  let positionals: string[];
  try {
    ({ values, positionals } = parseArgs({
      args,
      allowPositionals: true,
      options: {
        rpc: { type: 'string' },
        contract: { type: 'string' },
        confirmations: { type: 'string', default: '1' },
        'sd-jwt': { type: 'string' },
        'issuer-keys': { type: 'string' },
        help: { type: 'boolean', default: false },
      },
    }));
  } catch (error) {
    console.error(`${(error as Error).message}\n${usage}`);
    return 2;
  }
  if (values.help) {
    console.log(usage);
    return 0;
  }
  const { 'sd-jwt': document, 'issuer-keys': keys } = values;
  if (document !== undefined && keys !== undefined && positionals.length === 0) return verifySdJwtFile(document, keys);
  const problems = [
    ...(document === undefined && keys === undefined
      ? []
      : ['--sd-jwt and --issuer-keys go together, without a proof']),
    ...(positionals.length === 1 ? [] : ['exactly one proof file is expected']),
    ...(values.contract === undefined || /^0x[0-9a-fA-F]{40}$/.test(values.contract)
      ? []
      : [`--contract "${values.contract}" is no address`]),
    ...(/^[1-9][0-9]{0,5}$/.test(values.confirmations) ? [] : [`--confirmations is "${values.confirmations}"`]),
  ];
  if (problems.length > 0) {
    console.error(`${problems.join('\n')}\n${usage}`);
    return 2;
  }
  let proof: Proof;
  let trusted: Trusted;
  try {
    proof = fromParameters(parseJson(await readText(positionals[0])));
    trusted = values.rpc === undefined ? await configuredChain() : { url: values.rpc };
  } catch (error) {
    return explain(error);
  }
  const contract = (values.contract as Hex | undefined) ?? trusted.contract;
  const expected = { confirmations: Number(values.confirmations), ...(contract && { contract }) };
  try {
    report(proof, await verifyProof(proof, fetchRpc(trusted.url), expected), contract !== undefined);
    return 0;
  } catch (error) {
    if (error instanceof ProofRefused) return explain(error);
    console.error(`The chain at ${trusted.url} could not be asked: ${reasonOf(error)}`);
    return 3;
  }
}

function report(proof: Proof, { anchor, anchoredAt, confirmations }: Shown, isContractTrusted: boolean): void {
  const shown = {
    none: 'no content is shown',
    resource: 'the resource is the one that was committed',
    elements: 'the shown elements are from it',
  }[proof.content.kind];
  console.log(`The proof holds: ${proof.url}`);
  console.log(`  content    ${proof.parts.kind === 'deletion' ? 'deleted' : shown}`);
  console.log(`  leaf       ${proof.leafIndex} of ${anchor.statement.size}, batch ${anchor.batch}`);
  if (proof.parts.kind === 'version')
    console.log(`  validated  level L${proof.parts.level}, ProfileSet ${anchor.statement.profileSet}`);
  console.log(
    `  attested   by ${anchor.signatures.map(({ signer }) => signer).join(', ') || '(the signatures are not in the proof)'}`,
  );
  console.log(
    `  anchored   chain ${anchor.chainId}, contract ${anchor.contract}, block ${anchor.blockNumber}, ${new Date(anchoredAt * 1000).toISOString()}`,
  );
  console.log(`  confirmed  ${confirmations} block${confirmations === 1 ? '' : 's'}`);
  if (!isContractTrusted)
    console.log(
      '  note       the contract is the one that the proof names; give --contract to check it against one that you trust',
    );
}

async function readText(file: string): Promise<string> {
  if (file !== '-') return readFile(file, 'utf8');
  const chunks: Buffer[] = [];
  for await (const chunk of process.stdin) chunks.push(chunk as Buffer);
  return Buffer.concat(chunks).toString('utf8');
}

/** The chain of this installation: its endpoint, and the contract that it deployed. */
async function configuredChain(): Promise<Trusted> {
  const { chain, dataDir } = readConfig(process.env);
  const folder = path.join(dataDir, 'chain');
  const contracts = (await readJson(path.join(folder, 'contracts.json'))) as { anchorLog: Hex } | undefined;
  const contract = contracts === undefined ? {} : { contract: contracts.anchorLog };
  if (chain.kind === 'rpc') return { url: chain.url, ...contract };
  const endpoint = (await readJson(path.join(chain.folder, 'endpoint.json'))) as { url: string } | undefined;
  if (endpoint === undefined)
    throw new ConfigError([`the embedded chain of ${dataDir} is not running; start the server or give --rpc`]);
  return { url: endpoint.url, ...contract };
}

async function readJson(file: string): Promise<unknown> {
  try {
    return JSON.parse(await readFile(file, 'utf8'));
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
    throw error;
  }
}

function explain(error: unknown): number {
  if (error instanceof ProofRefused || error instanceof ProofFormatError || error instanceof JsonError) {
    console.error(`The proof does not hold: ${error.message}`);
    return 1;
  }
  console.error(reasonOf(error));
  return 2;
}

function reasonOf(error: unknown): string {
  const { message, cause } = error as Error;
  return cause instanceof Error && cause.message !== '' ? `${message} (${cause.message})` : message;
}
