// Compiles contracts/*.sol with solc-js into dist/contracts/<Name>.json ({ abi, bytecode, deployedBytecode }) when they changed.
import { createHash } from 'node:crypto';
import { createRequire } from 'node:module';
import { existsSync, mkdirSync, readdirSync, readFileSync, renameSync, writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import path from 'node:path';
import { root } from './root.mjs';

/** Settings that decide the bytecode; a change of them recompiles. */
const settings = {
  optimizer: { enabled: true, runs: 1_000_000 },
  viaIR: true,
  evmVersion: 'london',
  metadata: { bytecodeHash: 'none', appendCBOR: false },
  outputSelection: { '*': { '*': ['abi', 'evm.bytecode.object', 'evm.deployedBytecode'] } },
};

const folder = path.join(root, 'contracts');
const output = path.join(root, 'dist', 'contracts');

/** Brings dist/contracts up to date. @throws Error with the compiler's messages. */
export async function compileContracts() {
  const names = readdirSync(folder)
    .filter((name) => name.endsWith('.sol'))
    .sort();
  if (names.length === 0) return;
  const sources = Object.fromEntries(
    names.map((name) => [name, { content: readFileSync(path.join(folder, name), 'utf8') }]),
  );
  const require = createRequire(import.meta.url);
  const versions = ['solc', '@openzeppelin/contracts'].map((name) => require(`${name}/package.json`).version);
  const stamp = createHash('sha256')
    .update(JSON.stringify([versions, settings, sources]))
    .digest('hex');
  const stampFile = path.join(output, '.stamp');
  if (existsSync(stampFile) && readFileSync(stampFile, 'utf8') === stamp) return;

  const solc = require('solc');
  const findImports = (name) => {
    const file = path.join(root, 'node_modules', name);
    return existsSync(file) ? { contents: sinceLondon(readFileSync(file, 'utf8')) } : { error: `${name} not found` };
  };
  const input = { language: 'Solidity', sources, settings };
  const result = JSON.parse(solc.compile(JSON.stringify(input), { import: findImports }));
  const problems = (result.errors ?? []).filter(({ severity }) => severity !== 'info');
  for (const { formattedMessage } of problems) process.stderr.write(formattedMessage);
  if (problems.some(({ severity }) => severity === 'error')) throw new Error('contracts do not compile');
  mkdirSync(output, { recursive: true });
  for (const name of names) {
    for (const [contract, { abi, evm }] of Object.entries(result.contracts[name] ?? {})) {
      const artifact = {
        abi,
        bytecode: `0x${evm.bytecode.object}`,
        deployedBytecode: `0x${evm.deployedBytecode.object}`,
        // Where immutable values stand in the deployed code: masked when deployed code is compared.
        immutables: Object.values(evm.deployedBytecode.immutableReferences ?? {}).flat(),
      };
      replaceFile(path.join(output, `${contract}.json`), JSON.stringify(artifact));
    }
  }
  replaceFile(stampFile, stamp);
}

/** What MCOPY does, for targets that do not lie inside the source: word by word, the last one masked. */
const copyMemory = `function copyMemory(to, from, size) {
  for {} gt(size, 31) { size := sub(size, 32) to := add(to, 32) from := add(from, 32) } { mstore(to, mload(from)) }
  if size {
    let kept := sub(shl(mul(8, sub(32, size)), 1), 1)
    mstore(to, or(and(mload(to), kept), and(mload(from), not(kept))))
  }
}`;

/**
 * OpenZeppelin copies memory with MCOPY, which EVMs have since Cancun. Consortium chains often run older rules (clique knows none after London), so a
 * loop takes its place.
 */
function sinceLondon(source) {
  if (!source.includes('mcopy(')) return source;
  return source
    .replaceAll('assembly ("memory-safe") {', `assembly ("memory-safe") {\n${copyMemory}\n`)
    .replaceAll(/\bmcopy\(/g, 'copyMemory(');
}

/** At once, so that another build or a running server never reads half a file. */
function replaceFile(file, text) {
  writeFileSync(`${file}.${process.pid}`, text);
  renameSync(`${file}.${process.pid}`, file);
}

if (process.argv[1] === fileURLToPath(import.meta.url)) await compileContracts();
