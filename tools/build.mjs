// Transpiles src/, test/ and bench/ into dist/ (types are checked by `npm run check`) and compiles contracts/ when stale.
import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import path from 'node:path';
import { root } from './root.mjs';

/** Files below `folder` (relative to the repository) whose name ends with `ending`. */
export function filesBelow(folder, ending) {
  const top = path.join(root, folder);
  if (!existsSync(top)) return [];
  return readdirSync(top, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile() && entry.name.endsWith(ending))
    .map((entry) => path.relative(root, path.join(entry.parentPath ?? entry.path, entry.name)))
    .sort();
}

/** Brings dist/ up to date: only files newer than their output are transpiled. */
export async function build() {
  const sources = ['src', 'test', 'bench'].flatMap((folder) => filesBelow(folder, '.ts'));
  const outputOf = (file) => path.join(root, 'dist', file.replace(/\.ts$/, '.js'));
  const stale = sources.filter((file) => {
    const output = outputOf(file);
    return !existsSync(output) || statSync(output).mtimeMs <= statSync(path.join(root, file)).mtimeMs;
  });
  if (stale.length > 0) {
    const { build: esbuild } = await import('esbuild');
    await esbuild({
      entryPoints: stale.map((file) => path.join(root, file)),
      outdir: path.join(root, 'dist'),
      outbase: root,
      platform: 'node',
      format: 'esm',
      target: 'node20',
      sourcemap: true,
      logLevel: 'warning',
    });
  }
  const wanted = new Set(sources.map(outputOf));
  for (const folder of ['dist/src', 'dist/test', 'dist/bench']) {
    for (const file of filesBelow(folder, '.js')) {
      const output = path.join(root, file);
      if (!wanted.has(output)) rmSync(output, { force: true });
    }
  }
  mkdirSync(path.join(root, 'dist'), { recursive: true });
  const packageFile = path.join(root, 'dist', 'package.json');
  if (!existsSync(packageFile)) writeFileSync(packageFile, readFileSync(path.join(root, 'package.json')));
  const contracts = path.join(root, 'tools', 'contracts.mjs');
  if (existsSync(contracts)) await (await import('./contracts.mjs')).compileContracts();
}

if (process.argv[1] === fileURLToPath(import.meta.url)) await build();
