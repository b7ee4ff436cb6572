/**
 * `mooring open`: opens what was shared with somebody, with the bundle, the private key and the blocks alone. No server is asked but the one that
 * has the blocks, which may be anybody's.
 */
import { createReadStream } from 'node:fs';
import { mkdir, readFile, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { parseArgs } from 'node:util';
import { CarBlockIterator } from '@ipld/car';
import { sameBytes, sha256 } from '../base/bytes.js';
import type { BlockDigest } from '../base/ids.js';
import { cidText, digestOfCid } from '../ipfs/cid.js';
import { hpkeJwk, makeHpkeKeyPair } from '../vault/hpke.js';
import { KeyUnavailable } from '../vault/key-ring.js';
import { openBundle, openShared, parseBundle, type SharedVersion } from '../vault/share-bundle.js';
import { SealBroken } from '../vault/xchacha.js';

const usage = `Usage: mooring open --make-key FILE
       mooring open --bundle FILE --key FILE (--gateway URL | --car FILE) [--member NAME] [--out DIR]
  --make-key  writes a new private key (mode 0600) and prints its public JWK, for the directory of the network
  --bundle    what Patient/[id]/$shared answered: the JSON itself, or the Binary around it
  --key       the private key file
  --gateway   an IPFS gateway with raw blocks, e.g. https://ipfs.example (asked for /ipfs/CID?format=raw)
  --car       a CAR file that holds the blocks
  --member    the name under which a group knows you, for a bundle of a group
  --out       folder for one file a version; without it, NDJSON on standard output
Status: 0 everything opened, 1 something did not, 2 bad arguments.`;

type BlockSource = (digest: BlockDigest) => Promise<Uint8Array>;

export async function run(args: string[]): Promise<number> {
  try {
    const { values } = parseArgs({
      args,
      options: {
        'make-key': { type: 'string' },
        bundle: { type: 'string' },
        key: { type: 'string' },
        gateway: { type: 'string' },
        car: { type: 'string' },
        member: { type: 'string' },
        out: { type: 'string' },
        help: { type: 'boolean', default: false },
      },
    });
    if (values.help) {
      console.error(usage);
      return 0;
    }
    if (values['make-key'] !== undefined) return await makeKey(values['make-key']);
    const { bundle, key, gateway, car } = values;
    if (bundle === undefined || key === undefined || (gateway === undefined) === (car === undefined)) {
      console.error(usage);
      return 2;
    }
    const privateKey = new Uint8Array(Buffer.from((await readFile(key, 'utf8')).trim(), 'base64url'));
    const shared = await openBundle(parseBundle(bundleText(await readFile(bundle, 'utf8'))), privateKey, values.member);
    const source = car === undefined ? gatewaySource(gateway as string) : await carSource(car);
    return await openAll(shared, source, values.out);
  } catch (error) {
    if (error instanceof KeyUnavailable || error instanceof SealBroken || error instanceof RangeError) {
      console.error(error.message);
      return 1;
    }
    if (error instanceof TypeError && 'code' in error) {
      console.error(`${error.message}\n${usage}`);
      return 2;
    }
    throw error;
  }
}

async function openAll(
  shared: readonly SharedVersion[],
  source: BlockSource,
  out: string | undefined,
): Promise<number> {
  let missing = 0;
  if (out !== undefined) await mkdir(out, { recursive: true, mode: 0o700 });
  for (const version of shared) {
    try {
      const json = await openShared(version, await source(digestOfCid(version.cid)), source);
      if (out === undefined) process.stdout.write(`${Buffer.from(json).toString('utf8')}\n`);
      else await writeFile(path.join(out, `${version.reference.replaceAll('/', '-')}.json`), json, { mode: 0o600 });
    } catch (error) {
      missing += 1;
      console.error(`${version.reference} (${version.cid}): ${(error as Error).message}`);
    }
  }
  console.error(`${shared.length - missing} of ${shared.length} versions opened`);
  return missing === 0 ? 0 : 1;
}

async function makeKey(file: string): Promise<number> {
  const { publicKey, privateKey } = await makeHpkeKeyPair();
  await writeFile(file, `${Buffer.from(privateKey).toString('base64url')}\n`, { mode: 0o600, flag: 'wx' });
  process.stdout.write(`${JSON.stringify(hpkeJwk(publicKey, 'share'))}\n`);
  return 0;
}

/** The Binary that the server answers holds the bundle in `data`. */
function bundleText(text: string): string {
  let parsed: { resourceType?: unknown; data?: unknown } | null;
  try {
    parsed = JSON.parse(text) as typeof parsed;
  } catch {
    throw new RangeError('the bundle is no JSON');
  }
  const isBinary = parsed?.resourceType === 'Binary' && typeof parsed.data === 'string';
  return isBinary ? Buffer.from(parsed?.data as string, 'base64').toString('utf8') : text;
}

function gatewaySource(gateway: string): BlockSource {
  return async (digest) => {
    const url = `${gateway.replace(/\/$/, '')}/ipfs/${cidText(digest)}?format=raw`;
    const response = await fetch(url, { headers: { Accept: 'application/vnd.ipld.raw' } });
    if (!response.ok) throw new RangeError(`the gateway answers ${response.status}`);
    return checked(new Uint8Array(await response.arrayBuffer()), digest);
  };
}

async function carSource(file: string): Promise<BlockSource> {
  const blocks = new Map<string, Uint8Array>();
  for await (const { cid, bytes } of await CarBlockIterator.fromIterable(createReadStream(file))) {
    blocks.set(cid.toString(), bytes);
  }
  return (digest) => {
    const bytes = blocks.get(cidText(digest));
    if (bytes === undefined) return Promise.reject(new RangeError('the block is not in the CAR'));
    return Promise.resolve(checked(bytes, digest));
  };
}

function checked(bytes: Uint8Array, digest: BlockDigest): Uint8Array {
  if (!sameBytes(sha256(bytes), digest)) throw new RangeError('the block has other bytes than its CID says');
  return bytes;
}
