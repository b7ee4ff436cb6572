/** Where a watcher finds what validators signed: transactions of the chain, and servers (`/log/statements`). */
import { decodeAnchor, HEAD_ANCHORED_TOPIC, recoverHeadSigner } from '../../chain/anchor-log.js';
import type { Hex } from '../../chain/chain.js';
import type { Rpc } from '../verify-proof.js';
import type { SignedStatement } from './claims.js';

interface RawLog {
  readonly transactionHash: Hex;
}

/**
 * What was signed for the heads that a contract took in blocks [from, until]. Heads that a contract of somebody relayed are left out: their input is not ours to read.
 * @throws Error when the chain does not answer.
 */
export async function anchoredStatements(
  rpc: Rpc,
  chainId: number,
  contract: Hex,
  from: number,
  until: number,
): Promise<SignedStatement[]> {
  const range = { fromBlock: `0x${from.toString(16)}`, toBlock: `0x${until.toString(16)}` };
  const logs = (await rpc('eth_getLogs', [{ address: contract, topics: [HEAD_ANCHORED_TOPIC], ...range }])) as RawLog[];
  const found: SignedStatement[] = [];
  for (const hash of new Set(logs.map(({ transactionHash }) => transactionHash))) {
    const transaction = (await rpc('eth_getTransactionByHash', [hash])) as { to?: Hex; input: Hex } | null;
    if (transaction?.to?.toLowerCase() !== contract) continue;
    const { statement, signatures } = decodeAnchor(transaction.input);
    for (const { r, vs } of signatures) {
      const signer = recoverHeadSigner({ chainId, contract }, statement, { r, vs });
      found.push({ chainId, contract, statement, signature: { signer, r, vs } });
    }
  }
  return found;
}

/** What a server has of signed statements: its newest batches, anchored or not. @throws Error when it does not answer with such. */
export async function servedStatements(server: string): Promise<SignedStatement[]> {
  const response = await fetch(`${server}/log/statements`, { signal: AbortSignal.timeout(10_000) });
  if (!response.ok) throw new Error(`${server}/log/statements answered ${response.status}`);
  return parseStatements(await response.text());
}

/** One JSON object a line: `{"chainId","contract","statement","signature"}`. @throws SyntaxError */
export function parseStatements(lines: string): SignedStatement[] {
  return lines
    .split('\n')
    .filter((line) => line.trim() !== '')
    .map((line) => JSON.parse(line) as SignedStatement);
}

export function statementLine(signed: SignedStatement): string {
  return `${JSON.stringify(signed)}\n`;
}
