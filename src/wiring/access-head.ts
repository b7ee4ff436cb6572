/**
 * How far the access log reached, and its digest there, kept beside the main log with each batch: altered and removed records are missed.
 *
 * Authenticated under the key ring, so that who can write the catalog cannot make it fit a shortened log.
 */
import { createHmac, timingSafeEqual } from 'node:crypto';
import { toHex } from '../base/bytes.js';
import type { AccessLog } from '../commit/access-log.js';
import { AccessLogBroken } from '../commit/access-log.js';
import type { Catalog } from '../commit/catalog.js';
import type { NotedAccessHead } from '../commit/file-access-log.js';
import type { KeyRing } from '../vault/key-ring.js';

const stateKey = 'access-log/head';

/** Servers that share a catalog have an access log each. @param server absent where one server is alone. */
function keyOf(server: string | undefined): string {
  return server === undefined ? stateKey : `${stateKey}/${server}`;
}

export async function noteAccessHead(
  catalog: Pick<Catalog, 'putState'>,
  accessLog: Pick<AccessLog, 'head'>,
  keyRing: KeyRing,
  server?: string,
): Promise<void> {
  const { count, digest } = accessLog.head();
  const noted: NotedAccessHead = { count, digest: toHex(digest) };
  await catalog.putState(keyOf(server), Buffer.from(JSON.stringify({ ...noted, mac: macOf(noted, keyRing) })));
}

/** Count 0 when none was noted yet. @throws AccessLogBroken when the note was altered. */
export async function notedAccessHead(
  catalog: Pick<Catalog, 'getState'>,
  keyRing: KeyRing,
  server?: string,
): Promise<NotedAccessHead> {
  const bytes = await catalog.getState(keyOf(server));
  if (bytes === undefined) return { count: 0, digest: '' };
  const { count, digest, mac } = JSON.parse(Buffer.from(bytes).toString('utf8')) as NotedAccessHead & { mac: string };
  const [own, given] = [macOf({ count, digest }, keyRing), String(mac)].map((text) => Buffer.from(text, 'hex'));
  if (own.byteLength !== given.byteLength || !timingSafeEqual(own, given))
    throw new AccessLogBroken('the note of how far the access log reached is altered');
  return { count, digest };
}

function macOf({ count, digest }: NotedAccessHead, keyRing: KeyRing): string {
  return createHmac('sha256', keyRing.derive('access-head')).update(`${count}/${digest}`).digest('hex');
}
