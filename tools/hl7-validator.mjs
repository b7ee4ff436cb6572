#!/usr/bin/env node
// HL7's Java validator as a second engine: `mooring validator --engine "node tools/hl7-validator.mjs [PACKAGE.tgz...]"` (tools/engines/README.md).
//
// The first run builds it (Java 17 or later, Maven); what was built is kept in the engines' cache folder, named after its sources.
import { spawn, spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { cpSync, existsSync, mkdirSync, mkdtempSync, readFileSync, renameSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { cacheFolder } from './engines.mjs';
import { root } from './root.mjs';

const source = path.join(root, 'tools', 'engines', 'hl7-validator');
const sources = ['pom.xml', 'src/main/java/mooring/Hl7Validator.java'];

/**
 * Builds the engine when it is not in the cache.
 * @returns its class path.
 * @throws Error that says what is missing, when Java or Maven is not there or the build fails.
 */
export function buildHl7Validator() {
  const stamp = createHash('sha256');
  for (const file of sources) stamp.update(file).update(readFileSync(path.join(source, file)));
  const built = path.join(cacheFolder(), `hl7-validator-${stamp.digest('hex').slice(0, 16)}`);
  const classPath = [path.join(built, 'classes'), path.join(built, 'dependency', '*')].join(path.delimiter);
  if (existsSync(built)) return classPath;
  for (const command of ['java', 'mvn'])
    if (spawnSync(command, ['-version'], { stdio: 'ignore' }).status !== 0)
      throw new Error(`HL7's validator needs Java 17 or later and Maven; there is no ${command} command.`);
  process.stderr.write("Building HL7's validator (a minute the first time) ...\n");
  const work = mkdtempSync(path.join(tmpdir(), 'mooring-hl7-'));
  try {
    cpSync(source, work, { recursive: true });
    const options = { cwd: work, stdio: ['ignore', 2, 2] };
    const { status } = spawnSync('mvn', ['-q', '-B', 'compile', 'dependency:copy-dependencies'], options);
    if (status !== 0) throw new Error("Maven could not build HL7's validator; the lines above say why.");
    mkdirSync(path.dirname(built), { recursive: true });
    const fresh = `${built}.${process.pid}`;
    cpSync(path.join(work, 'target'), fresh, { recursive: true });
    renameSync(fresh, built);
  } finally {
    rmSync(work, { recursive: true, force: true });
  }
  return classPath;
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  let classPath;
  try {
    classPath = buildHl7Validator();
  } catch (error) {
    process.stderr.write(`${error.message}\n`);
    process.exit(1);
  }
  const child = spawn('java', ['-cp', classPath, 'mooring.Hl7Validator', ...process.argv.slice(2)], {
    stdio: 'inherit',
  });
  for (const signal of ['SIGINT', 'SIGTERM']) process.on(signal, () => child.kill(signal));
  child.on('exit', (code) => process.exit(code ?? 1));
}
