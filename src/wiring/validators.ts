/** The validators of VALIDATORS: read from the file, asked over HTTP. */
import { readFileSync } from 'node:fs';
import type { Attestor } from '../anchoring/attestation.js';
import { BriefingMaker } from '../anchoring/briefing-maker.js';
import { createBlockDoor } from '../anchoring/block-door.js';
import type { Cosignatures } from '../anchoring/cosignatures.js';
import { parseCosignerKey } from '../anchoring/cosignature.js';
import type { LogDoor } from '../anchoring/log-door.js';
import type { NoteSigner } from '../anchoring/note.js';
import { RemoteAttestor } from '../anchoring/remote-attestor.js';
import type { TileStore } from '../anchoring/tile-store.js';
import type { ValidatorDescription } from '../anchoring/validator-node/validator-keys.js';
import type { Config } from '../config.js';
import { findProfileSet } from './in-force.js';
import type { Storage } from './storage.js';

export interface RemoteValidators {
  readonly attestors: readonly Attestor[];
  /** Where they fetch sealed blocks. */
  readonly blockDoor: LogDoor;
}

/** The entries of the file. @throws Error naming the entry that is wrong. */
export function readValidators(file: string): ValidatorDescription[] {
  const entries = JSON.parse(readFileSync(file, 'utf8')) as unknown;
  if (!Array.isArray(entries) || entries.length === 0)
    throw new Error(`${file} holds no validators: expected a list of what "mooring validator --describe" prints`);
  return entries.map((entry: Partial<ValidatorDescription>, at) => {
    const { url, address, hpkeKey, cosigner } = entry;
    const problem =
      typeof url !== 'string' || !/^https?:\/\//.test(url)
        ? 'url'
        : !/^0x[0-9a-f]{40}$/.test(address ?? '')
          ? 'address'
          : !/^[0-9a-f]{64}$/.test(hpkeKey ?? '')
            ? 'hpkeKey'
            : typeof cosigner !== 'string'
              ? 'cosigner'
              : undefined;
    if (problem !== undefined)
      throw new Error(`${file}: the ${problem} of validator ${at + 1} is missing or malformed`);
    parseCosignerKey(cosigner!);
    return { url: url!.replace(/\/+$/, ''), address: address!, hpkeKey: hpkeKey!, cosigner: cosigner! };
  });
}

export function remoteValidators(
  descriptions: readonly ValidatorDescription[],
  { anchoring }: Config,
  { catalog, records, blocks }: Storage,
  tiles: TileStore,
  signer: NoteSigner,
  cosignatures: Cosignatures,
): RemoteValidators {
  const briefings = new BriefingMaker({
    versionsByLeaf: (from, until) => catalog.versionsByLeaf(from, until),
    header: (row) => records.header(row),
    dataKey: (row) => records.dataKey(row),
    definitionsOf: async (profileSet) => (await findProfileSet(catalog, profileSet.slice(2)))?.uploads ?? [],
    state: catalog,
  });
  const parts = {
    tiles,
    leaves: (from: number, until: number) => catalog.leaves(from, until),
    briefings,
    signer,
    cosigned: (size: number, line: string) => cosignatures.add(size, line),
    timeoutMs: anchoring.attestationTimeoutMs,
  };
  return {
    attestors: descriptions.map((description) => new RemoteAttestor(description, parts)),
    blockDoor: createBlockDoor(blocks, (ticket) => briefings.isTicket(ticket)),
  };
}
