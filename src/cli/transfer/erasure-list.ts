/**
 * The erasure list: what was erased, so that a backup of before cannot bring it back. One JSON line an erasure; places, hashes and blind names alone.
 */
import type { Catalog, Erasure } from '../../commit/catalog.js';

export interface ErasureRecord {
  /** Milliseconds since 1970. */
  readonly time: number;
  /** `[leafIndex, leaf hash]` of each erased version; hexadecimal. */
  readonly leaves: readonly (readonly [number, string])[];
  /** Blind names, hexadecimal. */
  readonly compartments: readonly string[];
  /** Digests of blocks, hexadecimal. */
  readonly blocks: readonly string[];
  readonly states: readonly string[];
}

/** The erasures of a catalog, oldest first. */
export async function erasureList(catalog: Catalog): Promise<ErasureRecord[]> {
  const list: ErasureRecord[] = [];
  for (const { time, leaves, compartments, blocks, states } of await catalog.erasures(1)) {
    const hashes: [number, string][] = [];
    for (const leaf of leaves) hashes.push([leaf, hex(await catalog.leaves(leaf, leaf + 1))]);
    list.push({ time, leaves: hashes, compartments: compartments.map(hex), blocks: blocks.map(hex), states });
  }
  return list;
}

/** Erases again what the list names and the catalog has. @returns how many versions were erased. */
export async function appliedTo(
  { catalog }: { readonly catalog: Catalog },
  list: readonly ErasureRecord[],
  tombstone: (leaves: readonly number[], time: number) => Uint8Array,
): Promise<number> {
  let count = 0;
  for (const record of list) {
    const leaves: number[] = [];
    for (const [leafIndex, hash] of record.leaves) {
      const [row] = await catalog.versionsByLeaf(leafIndex, leafIndex + 1);
      if (row === undefined || row.isErased || hex(await catalog.leaves(leafIndex, leafIndex + 1)) !== hash) continue;
      leaves.push(leafIndex);
    }
    const compartments: Uint8Array[] = [];
    for (const name of record.compartments.map(bytes)) {
      if ((await catalog.compartmentKey(name)) !== undefined) compartments.push(name);
    }
    if (leaves.length === 0 && compartments.length === 0) continue;
    const { seq, time: newest } = catalog.head();
    const time = Math.max(record.time, newest);
    const erasure: Erasure = {
      leaf: tombstone(leaves, time),
      leaves,
      compartments,
      blocks: record.blocks.map(bytes),
      states: record.states,
    };
    await catalog.append([{ seq: seq + 1, time, versions: [], newKeys: [], erasure }]);
    count += leaves.length;
  }
  return count;
}

export function parseErasureList(text: string): ErasureRecord[] {
  return text
    .split('\n')
    .filter((line) => line.trim() !== '')
    .map((line) => JSON.parse(line) as ErasureRecord);
}

function hex(value: Uint8Array): string {
  return Buffer.from(value.buffer, value.byteOffset, value.byteLength).toString('hex');
}

function bytes(value: string): Uint8Array {
  return new Uint8Array(Buffer.from(value, 'hex'));
}
