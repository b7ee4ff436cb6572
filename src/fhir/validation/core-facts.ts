/** Facts about the core definitions that are found out when they are generated: profiles/r4-core/expansions.json. */
import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import type { Definitions } from '../definitions/definitions.js';
import type { ValueSet } from '../definitions/types.js';
import type { Terminology } from '../terminology/terminology.js';
import { expansionDigests, type CoreFacts, type ExpansionDigest } from './profile-set.js';

const here = fileURLToPath(import.meta.url);
const root = here.slice(0, here.lastIndexOf(`${path.sep}src${path.sep}`)).replace(/[\\/]dist$/, '');

/** The folder of the core definitions of this installation. */
export const coreFolder = path.join(root, 'profiles', 'r4-core');

/** @throws Error when a file is missing. */
export function readCoreFacts(folder = coreFolder): CoreFacts {
  const text = readFileSync(path.join(folder, 'expansions.json'), 'utf8');
  const { names, expansions } = JSON.parse(text) as { names: string[]; expansions: ExpansionDigest[] };
  return { digest: coreDigest(folder), names: new Set(names), expansions };
}

/** The facts made anew from the definitions: what expansions.json has to hold. */
export function makeCoreFacts(
  core: Definitions,
  terminology: Terminology,
): { names: string[]; expansions: ExpansionDigest[] } {
  const names = new Set<string>();
  for (const entry of core.entries('ValueSet')) {
    names.add(entry.url);
    const { compose } = entry.read() as ValueSet;
    for (const { system, valueSet } of [...(compose?.include ?? []), ...(compose?.exclude ?? [])]) {
      for (const name of [system, ...(valueSet ?? [])]) if (name !== undefined) names.add(name.split('|')[0]);
    }
  }
  return { names: [...names].sort(), expansions: expansionDigests(core.entries('ValueSet'), terminology) };
}

/** SHA-256 over the file digests in digests.json, hexadecimal. */
function coreDigest(folder: string): string {
  const { files } = JSON.parse(readFileSync(path.join(folder, 'digests.json'), 'utf8')) as {
    files: { file: string; sha256: string }[];
  };
  const lines = files.map(({ file, sha256 }) => `${file} ${sha256}\n`).sort();
  return createHash('sha256').update(lines.join(''), 'utf8').digest('hex');
}
