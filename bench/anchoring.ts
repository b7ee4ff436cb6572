/**
 * Leaves, log and anchors: `npm run bench -- anchoring [--leaves N]`.
 *
 * Costs of a leaf over the corpus' resources, growth of the log, proofs at N leaves (default 1,000,000), and the anchorer with embedded chain and
 * contract, as fast as leaves come.
 */
import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { sha256 } from '../src/base/bytes.js';
import type { AnchorEvent } from '../src/anchoring/anchorer.js';
import { disclose, selects } from '../src/anchoring/disclosure.js';
import { buildElementTree } from '../src/anchoring/element-tree.js';
import { leafContext, makeLeaf } from '../src/anchoring/leaf.js';
import { rootFromInclusion } from '../src/anchoring/merkle.js';
import { buildProof } from '../src/anchoring/proof-builder.js';
import { fromParameters } from '../src/anchoring/proof-parameters.js';
import { TileStore } from '../src/anchoring/tile-store.js';
import { fetchRpc, verifyProof } from '../src/anchoring/verify-proof.js';
import { anchorerOf, proofSourceOf, settle, startNetwork } from '../test/anchoring/harness.js';
import { number, printTable, type Row } from './lib/table.js';

const { values } = parseArgs({
  args: process.argv.slice(2).filter((argument) => argument !== 'anchoring'),
  options: { leaves: { type: 'string', default: '1000000' } },
});
const leafCount = Number(values.leaves);
const corpus = fileURLToPath(new URL('../../../shared/corpus/synthea/', import.meta.url));
type Json = { resourceType: string };

function resources(): Json[] {
  const files = readdirSync(corpus).filter((file) => file.endsWith('.json'));
  return files.slice(0, 8).flatMap((file) => {
    const { entry } = JSON.parse(readFileSync(path.join(corpus, file), 'utf8')) as { entry: { resource: Json }[] };
    return entry.map(({ resource }) => resource);
  });
}

/** Mean of `run` over `inputs`, of the best of thirty rounds, microseconds. */
function meanUs<Input>(inputs: readonly Input[], run: (input: Input) => void): number {
  const rounds = Array.from({ length: 30 }, () => {
    const start = performance.now();
    for (const input of inputs) run(input);
    return ((performance.now() - start) * 1000) / inputs.length;
  });
  return Math.min(...rounds);
}

/** p50 and p99 of `count` runs, milliseconds. */
async function spread(count: number, run: () => Promise<void>): Promise<{ p50: number; p99: number }> {
  const times: number[] = [];
  for (let n = 0; n < count; n += 1) {
    const start = performance.now();
    await run();
    times.push(performance.now() - start);
  }
  times.sort((a, b) => a - b);
  return { p50: times[Math.floor(count * 0.5)], p99: times[Math.floor(count * 0.99)] };
}

const row = (name: string, value: string): Row => ({ name, value });
const ms = ({ p50, p99 }: { p50: number; p99: number }) => `${p50.toFixed(2)} ms (p99 ${p99.toFixed(2)} ms)`;

function leafRows(): Row[] {
  const all = resources();
  const medium = all.filter((each) => Math.abs(JSON.stringify(each).length - 2_000) < 300);
  const context = leafContext(sha256(Buffer.from('set')), 'https://ehr.example/fhir');
  const salt = Buffer.alloc(16, 1);
  const block = sha256(Buffer.from('block'));
  const leaf = (resource: Json) =>
    makeLeaf(context, { reference: 'Patient/1/_history/1', salt, resource, block, level: 1 });
  const element = meanUs(medium, (each) =>
    disclose(buildElementTree(each, salt), selects([`${each.resourceType}.id`])),
  );
  return [
    row(`leaf of a 2 KB resource (${medium.length} of them)`, `${meanUs(medium, leaf).toFixed(1)} us`),
    row(`leaf, mean of ${all.length} resources of the corpus`, `${meanUs(all, leaf).toFixed(1)} us`),
    row('disclosure of one element of a 2 KB resource', `${element.toFixed(1)} us`),
  ];
}

async function logRows(): Promise<Row[]> {
  const folder = mkdtempSync(path.join(tmpdir(), 'mooring-bench-log-'));
  try {
    const leaves = Buffer.alloc(leafCount * 32);
    for (let n = 0; n < leafCount; n += 1) leaves.set(sha256(Buffer.from(`leaf ${n}`)), n * 32);
    const source = { leaves: (from: number, until: number) => leaves.subarray(from * 32, until * 32) };
    let start = performance.now();
    const built = await TileStore.open(folder, source, leafCount);
    const perSecond = leafCount / ((performance.now() - start) / 1000);
    const root = await built.root();
    start = performance.now();
    const tiles = await TileStore.open(folder, source, leafCount);
    const openMs = performance.now() - start;
    const random = () => Math.floor(Math.random() * leafCount);
    const made = await spread(2_000, async () => void (await tiles.inclusion(random(), leafCount)));
    const index = random();
    const proof = await tiles.inclusion(index, leafCount);
    const checked = await spread(2_000, () => {
      const found = rootFromInclusion(source.leaves(index, index + 1), index, leafCount, proof);
      if (found === undefined || Buffer.compare(found, root) !== 0) throw new Error('a proof does not hold');
      return Promise.resolve();
    });
    const consistent = await spread(500, async () => void (await tiles.consistency(random() + 1, leafCount)));
    return [
      row('log: leaves taken in, tiles synced', `${number(perSecond)}/s`),
      row(`log: open again at ${number(leafCount)} leaves`, `${openMs.toFixed(0)} ms`),
      row(`inclusion proof at ${number(leafCount)} leaves`, ms(made)),
      row('inclusion proof checked', ms(checked)),
      row('consistency proof', ms(consistent)),
    ];
  } finally {
    rmSync(folder, { recursive: true });
  }
}

async function anchorRows(): Promise<Row[]> {
  const network = await startNetwork();
  try {
    const events: (AnchorEvent & { kind: 'anchored' })[] = [];
    const anchorer = anchorerOf(network, {
      maxAgeMs: 200,
      onEvent: (event) => event.kind === 'anchored' && events.push(event),
    });
    anchorer.start();
    const wanted = 40_000;
    const start = performance.now();
    while (network.log.versions.length < wanted) {
      network.log.addMany(500);
      anchorer.notify();
      await new Promise((resolve) => setImmediate(resolve));
    }
    const logged = performance.now() - start;
    await anchorer.waitForAnchor(wanted - 1, 60_000);
    const total = performance.now() - start;
    await anchorer.close();
    const gas = events.reduce((sum, { gasUsed }) => sum + Number(gasUsed), 0);
    const version = network.log.versions[17].row;
    const source = proofSourceOf(network, [anchorer]);
    const made = await spread(300, async () => void (await buildProof(source, version)));
    const proof = fromParameters(await buildProof(source, version));
    const rpc = fetchRpc(network.embedded.url);
    const checked = await spread(200, async () => void (await verifyProof(proof, rpc)));
    network.log.addMany(1_000);
    const thousand: bigint[] = [];
    await settle(
      anchorerOf(network, { onEvent: (event) => event.kind === 'anchored' && thousand.push(event.gasUsed) }),
    );
    return [
      row(
        `anchored while ${number(wanted)} leaves were made`,
        `${number(wanted / (total / 1000))}/s, ${events.length} batches`,
      ),
      row('behind the last leaf', `${(total - logged).toFixed(0)} ms`),
      row('gas a batch, one validator', number(gas / events.length)),
      row('gas a record at 1,000 a batch', (Number(thousand[0]) / 1000).toFixed(1)),
      row('$proof built, chain asked where its batch is', ms(made)),
      row('proof verified against the chain over JSON-RPC', ms(checked)),
    ];
  } finally {
    await network.close();
  }
}

printTable('Anchoring', [...leafRows(), ...(await logRows()), ...(await anchorRows())]);
