/**
 * `mooring watch`: looks for validators that signed two heads that cannot both be true, and files the proof of it with the contract.
 *
 * It needs nobody's leave: statements are public, and `dispute` takes them from anybody. What it has seen it keeps in a folder, so that two statements
 * meet however far apart they came.
 */
import { appendFileSync, existsSync, mkdirSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { parseArgs } from 'node:util';
import { setTimeout as sleep } from 'node:timers/promises';
import { Claims, type Conflict, type SignedStatement } from '../anchoring/watch/claims.js';
import { anchoredStatements, parseStatements, servedStatements, statementLine } from '../anchoring/watch/sources.js';
import { fetchRpc, type Rpc } from '../anchoring/verify-proof.js';
import { decodeBoolean, encodeDispute, encodeIsValidator } from '../chain/anchor-log.js';
import type { Hex } from '../chain/chain.js';
import { createEthersChain } from '../chain/ethers-chain.js';
import { readKeyFile } from '../wiring/payers.js';

const usage = `Usage: mooring watch --rpc URL --contract ADDRESS [--server URL ...] [--statements FILE ...] [--key FILE] [--dir DIR] [--from BLOCK] [--every SECONDS] [--once]
  Looks at the heads that validators signed: in the chain's transactions, at servers (GET /log/statements) and in files of such lines. When one
  validator signed two that cannot both be true, the proof is filed with the contract, which removes the validator.
  --rpc         JSON-RPC endpoint of the chain
  --contract    address of the AnchorLog
  --server      a server, without /fhir; may be repeated
  --statements  a file with a statement a line, from anywhere; may be repeated
  --key         file with the private key of an account that pays for the dispute; without it, a conflict is only told
  --dir         where what was seen is kept (default ./watch)
  --from        block to begin at (default 0)
  --every       seconds between two looks (default 30)
  --once        look once, and end
Exit status: 0 no conflict was seen, 1 one was, 2 the question is wrong, 3 the chain does not answer (with --once).`;

interface Watch {
  readonly rpc: Rpc;
  readonly rpcUrl: string;
  readonly chainId: number;
  readonly contract: Hex;
  readonly servers: readonly string[];
  readonly claims: Claims;
  /** Where what was seen is kept. */
  readonly file: string;
  readonly seen: Set<string>;
  readonly key?: Uint8Array;
  /** Signers whose conflict was told. */
  readonly told: Set<Hex>;
}

export async function run(args: string[]): Promise<number> {
  const options = {
    rpc: { type: 'string' },
    contract: { type: 'string' },
    server: { type: 'string', multiple: true, default: [] as string[] },
    statements: { type: 'string', multiple: true, default: [] as string[] },
    key: { type: 'string' },
    dir: { type: 'string', default: './watch' },
    from: { type: 'string', default: '0' },
    every: { type: 'string', default: '30' },
    once: { type: 'boolean', default: false },
    help: { type: 'boolean', default: false },
  } as const;
  let values: ReturnType<typeof parseArgs<{ options: typeof options }>>['values'];
  let key: Uint8Array | undefined;
  try {
    ({ values } = parseArgs({ args, options }));
    if (values.help) {
      console.log(usage);
      return 0;
    }
    if (!/^https?:\/\//.test(values.rpc ?? '')) throw new TypeError('--rpc is expected to be an http address');
    if (!/^0x[0-9a-fA-F]{40}$/.test(values.contract ?? ''))
      throw new TypeError('--contract is expected to be an address');
    if (![values.from, values.every].every((each) => /^\d{1,15}$/.test(each)))
      throw new TypeError('--from and --every are expected to be whole numbers');
    key = values.key === undefined ? undefined : readKeyFile(values.key);
  } catch (error) {
    console.error(`${(error as Error).message}\n${usage}`);
    return 2;
  }
  const rpcUrl = values.rpc!;
  const rpc = fetchRpc(rpcUrl);
  mkdirSync(values.dir, { recursive: true });
  const file = path.join(values.dir, 'statements.jsonl');
  let found = false;
  let from = Number(values.from);
  let watch: Watch | undefined;
  for (;;) {
    try {
      watch ??= {
        rpc,
        rpcUrl,
        chainId: Number(await rpc('eth_chainId', [])),
        contract: values.contract!.toLowerCase() as Hex,
        servers: values.server.map((server) => server.replace(/\/+$/, '')),
        claims: new Claims(),
        file,
        seen: new Set(),
        ...(key && { key }),
        told: new Set(),
      };
      const until = Number(await rpc('eth_blockNumber', []));
      found = (await look(watch, readStatements([file]), true)) || found;
      const fresh = [...readStatements(values.statements), ...(await gather(watch, from, until))];
      found = (await look(watch, fresh)) || found;
      from = until + 1;
    } catch (error) {
      console.error((error as Error).message);
      if (values.once) return 3;
    }
    if (values.once) return found ? 1 : 0;
    await sleep(Number(values.every) * 1_000);
  }
}

function readStatements(files: readonly string[]): SignedStatement[] {
  const there = files.filter((file) => existsSync(file));
  return there.flatMap((file) => parseStatements(readFileSync(file, 'utf8')));
}

/** What the chain and the servers have; a server that is away is told of, and does not hold up the others. */
async function gather(
  { rpc, chainId, contract, servers }: Watch,
  from: number,
  until: number,
): Promise<SignedStatement[]> {
  const all = from > until ? [] : await anchoredStatements(rpc, chainId, contract, from, until);
  for (const server of servers) {
    try {
      all.push(...(await servedStatements(server)));
    } catch (error) {
      console.error((error as Error).message);
    }
  }
  return all;
}

/**
 * @param isKept whether these come from the folder already.
 * @returns whether there is a conflict among these and those before.
 */
async function look(watch: Watch, statements: readonly SignedStatement[], isKept = false): Promise<boolean> {
  let found = false;
  for (const signed of statements) {
    const line = statementLine(signed);
    const isOurs = signed.chainId === watch.chainId && signed.contract.toLowerCase() === watch.contract;
    if (!isOurs || watch.seen.has(line)) continue;
    watch.seen.add(line);
    if (!isKept) appendFileSync(watch.file, line, { mode: 0o600 });
    const conflict = watch.claims.add(signed);
    if (conflict === undefined || watch.told.has(conflict.signer)) continue;
    found = true;
    watch.told.add(conflict.signer);
    await tell(watch, conflict);
  }
  return found;
}

/** Files the dispute, where the signer still is a validator and there is somebody to pay; prints what was done. */
async function tell(watch: Watch, { signer, size, one, other }: Conflict): Promise<void> {
  const told = { signer, size, root: one.statement.root, otherRoot: other.statement.root };
  const call = { to: watch.contract, data: encodeIsValidator(signer) };
  const isValidator = decodeBoolean((await watch.rpc('eth_call', [call, 'latest'])) as Hex);
  if (!isValidator || watch.key === undefined) {
    console.log(JSON.stringify({ event: 'conflict', ...told, isValidator }));
    return;
  }
  const chain = createEthersChain({ url: watch.rpcUrl, chainId: watch.chainId, payer: watch.key });
  try {
    const data = encodeDispute(one.statement, one.signature, other.statement, other.signature);
    const { raw, txHash } = await chain.sign(watch.contract, data, await chain.nextNonce());
    await chain.send(raw);
    const { status } = await chain.mined(txHash, 120_000);
    console.log(JSON.stringify({ event: 'dispute', ...told, txHash, status }));
  } finally {
    await chain.close();
  }
}
