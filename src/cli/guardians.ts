/** `mooring guardians`: makes a recovery key in shares for guardians, and puts it together again. */
import { randomBytes } from 'node:crypto';
import { mkdir, readFile, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { parseArgs } from 'node:util';
import { privateKeyFrom } from '../chain/keys.js';
import { addressOf } from '../chain/signing.js';
import { GuardianShareError, joinShares, splitKey } from '../consent/guardians.js';

const usage = `Usage: mooring guardians split --out DIR [--key FILE] [--shares N] [--threshold K]
       mooring guardians join --out FILE SHARE_FILE ...
  split  writes share-1.txt ... share-N.txt (mode 0600), one for each guardian, and prints the address of the key
  join   writes the private key (0x and 64 digits, mode 0600) that K of the shares give
  --key        a private key (0x and 64 digits) to split; by default a new recovery key, which is kept nowhere else
  --shares     how many guardians (default 5)
  --threshold  how many of them it takes (default 3)
Status: 0 done, 1 the shares do not suffice, 2 bad arguments.`;

export async function run(args: string[]): Promise<number> {
  try {
    const { values, positionals } = parseArgs({
      args,
      allowPositionals: true,
      options: {
        out: { type: 'string' },
        key: { type: 'string' },
        shares: { type: 'string', default: '5' },
        threshold: { type: 'string', default: '3' },
        help: { type: 'boolean', default: false },
      },
    });
    if (values.help) {
      console.error(usage);
      return 0;
    }
    const [command, ...files] = positionals;
    if (
      values.out === undefined ||
      (command !== 'split' && command !== 'join') ||
      (command === 'join') !== files.length > 0
    ) {
      console.error(usage);
      return 2;
    }
    if (command === 'join') return await join(files, values.out);
    return await split(values.key, Number(values.shares), Number(values.threshold), values.out);
  } catch (error) {
    if (error instanceof GuardianShareError) {
      console.error(error.message);
      return 1;
    }
    if (error instanceof RangeError || (error instanceof TypeError && 'code' in error)) {
      console.error(`${error.message}\n${usage}`);
      return 2;
    }
    throw error;
  }
}

async function split(keyFile: string | undefined, count: number, threshold: number, out: string): Promise<number> {
  const key = keyFile === undefined ? privateKeyFrom(randomBytes(32), 'recovery') : await readKey(keyFile);
  const shares = await splitKey(key, count, threshold);
  await mkdir(out, { recursive: true, mode: 0o700 });
  for (const [i, share] of shares.entries()) {
    await writeFile(path.join(out, `share-${i + 1}.txt`), `${share}\n`, { mode: 0o600, flag: 'wx' });
  }
  process.stdout.write(`${addressOf(key)}\n`);
  key.fill(0);
  return 0;
}

async function join(files: readonly string[], out: string): Promise<number> {
  const key = await joinShares(await Promise.all(files.map((file) => readFile(file, 'utf8'))));
  await writeFile(out, `0x${Buffer.from(key).toString('hex')}\n`, { mode: 0o600, flag: 'wx' });
  process.stdout.write(`${addressOf(key)}\n`);
  key.fill(0);
  return 0;
}

async function readKey(file: string): Promise<Uint8Array> {
  const text = (await readFile(file, 'utf8')).trim();
  if (!/^0x[0-9a-fA-F]{64}$/.test(text)) throw new RangeError(`${file} holds no private key`);
  return new Uint8Array(Buffer.from(text.slice(2), 'hex'));
}
