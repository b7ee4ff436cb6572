/** Who may import whom: the table of docs/architecture.md, read by the import-direction test. */
import { readdirSync, readFileSync } from 'node:fs';
import path from 'node:path';

/** Folder (or file) below src -> what its files may import from other folders. `base` is open to all. */
export const allowedImports: Record<string, readonly string[]> = {
  base: [],
  config: [],
  'config.ts': ['config'],
  chain: ['vault/key-ring.ts'],
  ipfs: [],
  vault: ['ipfs/block-store.ts'],
  commit: ['vault', 'ipfs', 'consent/gate.ts', 'fhir/search/plan.ts'],
  anchoring: ['chain', 'commit', 'vault', 'ipfs'],
  consent: ['chain', 'commit', 'vault'],
  serving: [],
  smart: ['consent/gate.ts', 'vault', 'commit/sqlite/connection.ts'],
  fhir: ['commit', 'vault', 'ipfs', 'anchoring', 'consent', 'smart', 'chain'],
  'server.ts': ['*'],
  wiring: ['*'],
  'main.ts': ['config.ts', 'server.ts'],
  cli: ['*'],
};

/** Files that only the composition root, adapters of the same folder and tests may import: the adapters of the ports. */
export const adapters: readonly RegExp[] = [
  /^commit\/(sqlite|mongo)\//,
  /^commit\/file-access-log\.ts$/,
  /^smart\/store\/(sqlite|mongo)-/,
  /^vault\/file-key-ring\.ts$/,
  /^ipfs\/(local|kubo)-/,
  /^chain\/(ethers-chain|embedded-anvil)\.ts$/,
];

/** Importers of adapters: the composition root, and the command line, which wires the same parts without a server. */
const wiring = /^(server\.ts$|wiring\/|cli\/)/;

export interface Import {
  /** Path below src, with `/`. */
  readonly from: string;
  readonly to: string;
}

/** Every relative import below `src`. */
export function importsOf(src: string): Import[] {
  return readdirSync(src, { recursive: true, encoding: 'utf8' })
    .filter((file) => file.endsWith('.ts'))
    .flatMap((file) => {
      const text = readFileSync(path.join(src, file), 'utf8');
      const targets = [...text.matchAll(/(?:from|import|new URL)\s*\(?\s*'(\.{1,2}\/[^']+)'/g)].map(
        (match) => match[1],
      );
      const from = file.split(path.sep).join('/');
      return targets
        .map((target) => path.posix.join(path.posix.dirname(from), target).replace(/\.js$/, '.ts'))
        .filter((to) => !to.startsWith('..'))
        .map((to) => ({ from, to }));
    });
}

/** Imports that the table does not allow, one line each. */
export function violations(imports: readonly Import[]): string[] {
  return imports.flatMap(({ from, to }) => {
    const home = from.split('/')[0];
    const target = to.split('/')[0];
    const rules = allowedImports[home] ?? [];
    const isAllowed =
      target === home || target === 'base' || rules.includes('*') || rules.includes(target) || rules.includes(to);
    if (!isAllowed) return [`${from} may not import ${to}`];
    const isAdapter = adapters.some((adapter) => adapter.test(to));
    if (
      isAdapter &&
      !wiring.test(from) &&
      path.posix.dirname(from) !== path.posix.dirname(to) &&
      !adapters.some((adapter) => adapter.test(from))
    ) {
      return [`${from} imports the adapter ${to}, which is for server.ts alone`];
    }
    return [];
  });
}
