/** Where a validator gets sealed blocks: the door of the server whose batches it judges, or any IPFS gateway. Digests are compared by the caller. */
import { toHex } from '../../base/bytes.js';
import type { BlockDigest } from '../../base/ids.js';
import { carHeader, parseSection } from '../../ipfs/car-format.js';
import { cidOf } from '../cid.js';
import type { Blocks } from './examine.js';

const timeoutMs = 20_000;
const atOnce = 16;

/** @param url of the server, without path. */
export function serverBlocks(url: string): Blocks {
  return {
    async fetch(ticket, digests) {
      const found = new Map<string, Uint8Array>();
      if (digests.length === 0) return found;
      const response = await fetch(`${url}/ipfs/blocks`, {
        method: 'POST',
        headers: { authorization: `Bearer ${toHex(ticket)}`, 'content-type': 'application/json' },
        body: JSON.stringify({ cids: digests.map(cidOf) }),
        signal: AbortSignal.timeout(timeoutMs),
      });
      if (!response.ok) throw new Error(`the server's block door answered ${response.status}`);
      const car = Buffer.from(await response.arrayBuffer());
      if (!car.subarray(0, carHeader.byteLength).equals(carHeader)) throw new Error('the block door answered no CAR');
      for (let at = carHeader.byteLength; at < car.byteLength;) {
        const section = parseSection(car, at);
        if (section === undefined || section === 'cut') throw new Error('the CAR of the block door is cut short');
        found.set(toHex(section.digest), car.subarray(section.start, section.end));
        at = section.end;
      }
      return found;
    },
  };
}

/** @param url of a trustless gateway (Kubo's, or any), without path. */
export function gatewayBlocks(url: string): Blocks {
  const one = async (digest: BlockDigest): Promise<Uint8Array | undefined> => {
    const response = await fetch(`${url}/ipfs/${cidOf(digest)}?format=raw`, {
      headers: { accept: 'application/vnd.ipld.raw' },
      signal: AbortSignal.timeout(timeoutMs),
    });
    if (response.status === 404 || response.status === 410) return undefined;
    if (!response.ok) throw new Error(`the gateway answered ${response.status}`);
    return new Uint8Array(await response.arrayBuffer());
  };
  return {
    async fetch(_ticket, digests) {
      const found = new Map<string, Uint8Array>();
      for (let from = 0; from < digests.length; from += atOnce)
        await Promise.all(
          digests.slice(from, from + atOnce).map(async (digest) => {
            const bytes = await one(digest);
            if (bytes !== undefined) found.set(toHex(digest), bytes);
          }),
        );
      return found;
    },
  };
}
