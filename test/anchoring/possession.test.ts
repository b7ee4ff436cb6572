import { after, before, describe, it } from 'node:test';
import assert from 'node:assert/strict';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { sha256, toHex } from '../../src/base/bytes.js';
import type { VersionRow } from '../../src/commit/catalog.js';
import { BlockMissing } from '../../src/ipfs/block-store.js';
import {
  challengedLeaves,
  erasedCount,
  possess,
  possessionProblem,
  type PossessionSource,
} from '../../src/anchoring/possession.js';
import { TileStore } from '../../src/anchoring/tile-store.js';
import { fileState, TestLog } from './harness.js';

describe('a possession challenge', () => {
  let folder = '';
  let log: TestLog;
  let source: PossessionSource;
  const blocks = new Map<string, Uint8Array>();
  const challenge = { seed: sha256(Buffer.from('seed')), size: 400, count: 60 };
  before(async () => {
    folder = mkdtempSync(path.join(tmpdir(), 'mooring-possession-'));
    const state = fileState(path.join(folder, 'state'));
    log = await TestLog.open(state);
    log.addMany(399);
    log.delete('Basic', 'b0', 2);
    log.addMany(10);
    const tiles = await TileStore.open(path.join(folder, 'log'), log, log.versions.length);
    for (const { row, json } of log.versions) if (row.block) blocks.set(toHex(row.block), json);
    source = {
      state,
      tiles,
      header: (row) => log.versions[row.leafIndex].header,
      open: () => Promise.reject(new Error('a challenge opens nothing')),
      versionsByLeaf: (from, until) => log.versions.slice(from, until).map(({ row }) => row),
      leaves: (from, until) => log.leaves(from, until),
      blocks: {
        get: (digest) => {
          const bytes = blocks.get(toHex(digest));
          return bytes ? Promise.resolve(bytes) : Promise.reject(new BlockMissing(toHex(digest)));
        },
      },
    };
  });
  after(() => rmSync(folder, { recursive: true }));
  const checkpoint = async () => ({ origin: 'log', size: 400, root: await source.tiles.root(400) });

  it('asks for leaves that only the seed decides, spread over the log', () => {
    const asked = challengedLeaves(challenge);
    assert.deepEqual(asked, challengedLeaves(challenge));
    assert.notDeepEqual(asked, challengedLeaves({ ...challenge, seed: sha256(Buffer.from('other')) }));
    assert.ok(asked.every((leaf) => leaf >= 0 && leaf < 400) && new Set(asked).size > 45);
  });

  it('is met by who has the blocks, and checked without opening anything', async () => {
    const answers = await possess(source, challenge);
    assert.equal(possessionProblem(challenge, answers, await checkpoint()), undefined);
  });

  it('is met for versions that were logged before headers knew the commitment, by opening them', async () => {
    const early: PossessionSource = {
      ...source,
      header(row) {
        const header = source.header(row);
        return { ...header, leafOpening: header.leafOpening.subarray(0, 24) };
      },
    };
    await assert.rejects(possess(early, challenge), /opens nothing/);
    const opening = { ...early, open: (row: VersionRow) => Promise.resolve(log.versions[row.leafIndex].json) };
    assert.equal(possessionProblem(challenge, await possess(opening, challenge), await checkpoint()), undefined);
  });

  it('covers deletions, which have no block', async () => {
    const all = { ...challenge, count: 2_000 };
    const answers = await possess(source, all);
    assert.ok(answers.some(({ block, entry }) => block === undefined && entry?.byteLength === 41));
    assert.equal(possessionProblem(all, answers, await checkpoint()), undefined);
  });

  it('cannot be met without a block, with another block, for other leaves, or against another checkpoint', async () => {
    const answers = await possess(source, challenge);
    const root = await checkpoint();
    const [first, ...rest] = answers;
    const { block, ...without } = first;
    assert.ok(block);
    assert.match(possessionProblem(challenge, [without, ...rest], root) ?? '', /its block is missing/);
    assert.match(
      possessionProblem(challenge, [{ ...first, block: Buffer.from('x') }, ...rest], root) ?? '',
      /not the one that the entry names/,
    );
    assert.match(possessionProblem(challenge, rest, root) ?? '', /59 answers for 60 challenges/);
    assert.match(possessionProblem(challenge, [rest[0], first, ...rest.slice(1)], root) ?? '', /was asked for/);
    const forged = Buffer.from(first.entry ?? []);
    forged.set(sha256(Buffer.from('x')), 68);
    assert.match(
      possessionProblem(challenge, [{ ...first, entry: forged, block: Buffer.from('x') }, ...rest], root) ?? '',
      /not in the log/,
    );
    assert.match(possessionProblem(challenge, answers, { ...root, root: new Uint8Array(32) }) ?? '', /not in the log/);
    const lost = [...blocks].find(([digest]) => digest === toHex(sha256(block)));
    blocks.delete(lost?.[0] ?? '');
    await assert.rejects(possess(source, challenge), BlockMissing);
    blocks.set(toHex(sha256(block)), block);
  });

  it('shows of an erased version that its leaf is in the log, and counts it', async () => {
    const versionsByLeaf = (from: number, until: number) =>
      log.versions.slice(from, until).map(({ row }) => (row.leafIndex % 2 === 0 ? { ...row, isErased: true } : row));
    const answers = await possess({ ...source, versionsByLeaf }, challenge);
    assert.equal(possessionProblem(challenge, answers, await checkpoint()), undefined);
    assert.equal(erasedCount(answers), challengedLeaves(challenge).filter((leaf) => leaf % 2 === 0).length);
    const first = answers.findIndex(({ leaf }) => leaf !== undefined);
    const forged = answers.map((answer, at) => (at === first ? { ...answer, leaf: sha256(Buffer.from('x')) } : answer));
    assert.match(possessionProblem(challenge, forged, await checkpoint()) ?? '', /not in the log/);
  });
});
