// Makes a checkout ready: installs what package-lock.json names and is missing, then builds what is stale.
// Every command of this repository (start, test, bench, check, bin/mooring) begins here.
import { spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import path from 'node:path';
import { root } from './root.mjs';

/**
 * Installs what the lock file names, unless node_modules was installed from this very lock file.
 *
 * `npm install --no-save`, not `npm ci`: the lock file cannot name the anvil and forge binaries of platforms that the registry it was made from
 * does not carry, and `npm ci` refuses such a lock file everywhere.
 */
export function install() {
  const lock = createHash('sha256')
    .update(readFileSync(path.join(root, 'package-lock.json')))
    .digest('hex');
  const stamp = path.join(root, 'node_modules', '.mooring-lock');
  if (existsSync(stamp) && readFileSync(stamp, 'utf8') === lock) return;
  process.stderr.write('Installing dependencies from package-lock.json ...\n');
  const npm = spawnSync('npm', ['install', '--no-save', '--no-fund', '--no-audit', '--loglevel=error'], {
    cwd: root,
    stdio: ['ignore', 2, 2],
  });
  if (npm.status !== 0) {
    process.stderr.write('npm install failed; the lines above say why.\n');
    process.exit(npm.status ?? 1);
  }
  writeFileSync(stamp, lock);
}

/** Installs, then builds. */
export async function setup() {
  const [major, minor] = process.versions.node.split('.').map(Number);
  if (major < 20 || (major === 20 && minor < 19)) {
    process.stderr.write(`Mooring needs Node 20.19 or later; this is ${process.versions.node}.\n`);
    process.exit(1);
  }
  install();
  const { build } = await import('./build.mjs');
  await build();
}

if (process.argv[1] === fileURLToPath(import.meta.url)) await setup();
