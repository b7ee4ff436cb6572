/** What of a server's log is on its embedded chain, read from the chain itself. */
import { readFileSync } from 'node:fs';
import path from 'node:path';
import { decodeHeadAnchored, HEAD_ANCHORED_TOPIC, type AnchoredHead } from '../../src/chain/anchor-log.js';
import type { ChainLog, Hex } from '../../src/chain/chain.js';
import type { Row } from './table.js';
import { number } from './table.js';

/** A resource (`Type/id`) whose newest version shall be anchored before anything is read. */
export interface Newest {
  readonly origin: string;
  readonly token: string;
  readonly location: string;
}

export type AnchoredBatch = AnchoredHead & { readonly gasUsed: number };

/** Every batch on the chain, oldest first. @throws Error when the newest version is not anchored within two minutes. */
export async function anchoredBatches(
  dataDir: string,
  { untilLeafOf }: { untilLeafOf: Newest },
): Promise<AnchoredBatch[]> {
  await proofOf(untilLeafOf);
  const { url } = JSON.parse(readFileSync(path.join(dataDir, 'chain/endpoint.json'), 'utf8')) as { url: string };
  const { anchorLog } = JSON.parse(readFileSync(path.join(dataDir, 'chain/contracts.json'), 'utf8')) as {
    anchorLog: Hex;
  };
  const filter = { address: anchorLog, topics: [HEAD_ANCHORED_TOPIC], fromBlock: '0x0', toBlock: 'latest' };
  const logs = await rpc<{ topics: Hex[]; data: Hex; transactionHash: Hex }[]>(url, 'eth_getLogs', [filter]);
  const batches: AnchoredBatch[] = [];
  for (const log of logs) {
    const { gasUsed } = await rpc<{ gasUsed: Hex }>(url, 'eth_getTransactionReceipt', [log.transactionHash]);
    batches.push({ ...decodeHeadAnchored(log as unknown as ChainLog), gasUsed: Number(gasUsed) });
  }
  return batches;
}

/** Rate from the first write to the last anchor, and gas. @param sinceMs performance.now() when the load began. */
export async function anchoringFigures(dataDir: string, newest: Newest, sinceMs: number): Promise<Omit<Row, 'name'>> {
  await proofOf(newest);
  const seconds = (performance.now() - sinceMs) / 1000;
  const batches = await anchoredBatches(dataDir, { untilLeafOf: newest });
  const size = batches.at(-1)?.size ?? 0;
  const gas = batches.reduce((sum, batch) => sum + batch.gasUsed, 0);
  return {
    value: `${number(size / seconds)}/s`,
    note: `${number(size)} versions in ${batches.length} batches, the last ${number(seconds)} s after the load began; gas ${number(gas / batches.length)} a batch, ${number(gas / size)} a version`,
  };
}

async function proofOf({ origin, token, location }: Newest): Promise<void> {
  for (let attempt = 0; attempt < 600; attempt += 1) {
    const answer = await fetch(`${origin}/fhir/${location}/$proof`, { headers: { Authorization: `Bearer ${token}` } });
    await answer.arrayBuffer();
    if (answer.ok) return;
    await new Promise((resolve) => setTimeout(resolve, 200));
  }
  throw new Error(`${location} was not anchored within two minutes`);
}

async function rpc<T>(url: string, method: string, params: unknown[]): Promise<T> {
  const body = JSON.stringify({ jsonrpc: '2.0', id: 1, method, params });
  const answer = await fetch(url, { method: 'POST', headers: { 'Content-Type': 'application/json' }, body });
  const { result, error } = (await answer.json()) as { result?: T; error?: { message: string } };
  if (error !== undefined || result === undefined) throw new Error(`${method}: ${error?.message ?? 'no result'}`);
  return result;
}
