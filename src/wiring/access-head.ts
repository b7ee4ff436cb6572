/**
 * How far the access log reached, and its digest there: altered and removed records are missed.
 *
 * Kept beside the main log with each batch, authenticated under the key ring, so that who can write the catalog cannot make it fit a shortened log; and
 * every ACCESS_HEAD_EVERY_S seconds in the main log itself, so that whoever has the keys too cannot make it fit what is anchored.
 */
import { createHmac, timingSafeEqual } from 'node:crypto';
import { accessLeaf } from '../anchoring/access-leaf.js';
import { toHex } from '../base/bytes.js';
import { logAccessHead, type AccessHeadForm, type AccessHeadServices } from '../commit/access-heads.js';
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

/** What access heads in the log are made and checked by. */
export function accessHeadForm(keyRing: KeyRing): AccessHeadForm {
  return { leafOf: accessLeaf, key: keyRing.derive('access-head') };
}

/**
 * Logs the access head again and again, where anything was accessed since the last one.
 * @param everyS seconds; 0: never.
 * @returns ends it, when what is under way is done.
 */
export function startAccessHeads(
  services: Omit<AccessHeadServices, keyof AccessHeadForm> & { readonly keyRing: KeyRing; readonly server?: string },
  everyS: number,
  onLogged: () => void,
  onProblem: (error: unknown) => void,
): () => Promise<void> {
  let underWay: Promise<void> = Promise.resolve();
  if (everyS === 0) return () => underWay;
  const log = async () => {
    const leafIndex = await logAccessHead({ ...services, ...accessHeadForm(services.keyRing) }, services.server);
    if (leafIndex !== undefined) onLogged();
  };
  const timer = setInterval(() => {
    underWay = underWay.then(log).catch(onProblem);
  }, everyS * 1_000).unref();
  return () => {
    clearInterval(timer);
    return underWay;
  };
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
