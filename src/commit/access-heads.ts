/**
 * Access heads in the log: now and then the access log's length and digest are appended as a leaf of their own, and anchored with the rest.
 *
 * In the catalog such a leaf is a place without content. What it is the hash of is small state: the newest head under one key, each earlier one under
 * its leaf's. The newest is written before the entry that it speaks of, so that no crash leaves a leaf that nobody can explain; one that
 * never came into the log is passed over. They carry a MAC, for who can write the catalog must not make them fit another access log.
 */
import { createHmac } from 'node:crypto';
import { sameBytes, toHex } from '../base/bytes.js';
import type { Clock } from '../base/clock.js';
import { AccessLogBroken, type AccessLog } from './access-log.js';
import { AppendConflict, type Catalog, type VersionRecord } from './catalog.js';
import type { Committer } from './committer.js';

/** A head and its place. */
export interface LoggedAccessHead {
  readonly leafIndex: number;
  /** Milliseconds since 1970. */
  readonly time: number;
  /** Name of the server whose access log it is; empty where one server is alone. */
  readonly server: string;
  readonly count: number;
  /** 32 bytes. */
  readonly digest: Uint8Array;
}

/** What heads are made and checked by. */
export interface AccessHeadForm {
  /** The leaf of a head (anchoring/access-leaf.ts), 32 bytes. */
  readonly leafOf: (head: Omit<LoggedAccessHead, 'leafIndex'>) => Uint8Array;
  /** 32 bytes, `keyRing.derive('access-head')`. */
  readonly key: Uint8Array;
}

type HeadStore = Pick<Catalog, 'head' | 'leaves' | 'getState' | 'putState' | 'append'>;

interface Kept {
  readonly leafIndex: number;
  readonly time: number;
  readonly count: number;
  /** Hexadecimal. */
  readonly digest: string;
  /** Leaf of the head before. */
  readonly previous?: number;
}

const newestKey = (server: string) => `access-log/leaf/newest/${server}`;
/** Where the head at a leaf is kept as soon as a newer one is. */
const leafKey = (leafIndex: number) => `access-log/leaf/${leafIndex}`;
/** Another server may win the race for the next entry so many times. */
const mostAttempts = 20;

export interface AccessHeadServices extends AccessHeadForm {
  readonly catalog: HeadStore;
  readonly accessLog: Pick<AccessLog, 'head'>;
  readonly committer: Pick<Committer, 'alone'>;
  readonly clock: Clock;
}

/**
 * Appends the access log's head, unless the newest one in the log says the same.
 * @returns the place; undefined when there was nothing new.
 * @throws CatalogUnavailable.
 */
export function logAccessHead(services: AccessHeadServices, server = ''): Promise<number | undefined> {
  return services.committer.alone(() => append(services, server));
}

async function append(services: AccessHeadServices, server: string): Promise<number | undefined> {
  const { catalog, accessLog, clock, leafOf } = services;
  const newest = await readHead(catalog, services.key, newestKey(server));
  const isLogged = newest !== undefined && (await isInLog(catalog, server, newest, leafOf));
  const { count, digest } = accessLog.head();
  if (count === (isLogged ? newest.count : 0)) return undefined;
  if (isLogged) await writeHead(catalog, services.key, leafKey(newest.leafIndex), newest);
  const previous = isLogged ? newest.leafIndex : newest?.previous;
  for (let attempt = 1; ; attempt += 1) {
    const { seq, time: newestTime, leafCount: leafIndex } = catalog.head();
    const time = Math.max(clock.now(), newestTime);
    const next: Kept = {
      leafIndex,
      time,
      count,
      digest: toHex(digest),
      ...(previous === undefined ? {} : { previous }),
    };
    await writeHead(catalog, services.key, newestKey(server), next);
    const version = placeOf(leafOf({ time, server, count, digest }), time);
    try {
      // The commit point of the head; a crash before leaves a newest one that is not in the log.
      await catalog.append([{ seq: seq + 1, time, versions: [version], newKeys: [] }]);
      return leafIndex;
    } catch (error) {
      if (!(error instanceof AppendConflict) || attempt === mostAttempts) throw error;
    }
  }
}

/** The heads of a server's access log that are in the log, newest first. @throws AccessLogBroken when what is kept of them was altered. */
export async function* loggedAccessHeads(
  catalog: Pick<Catalog, 'head' | 'leaves' | 'getState'>,
  { leafOf, key }: AccessHeadForm,
  server = '',
): AsyncGenerator<LoggedAccessHead> {
  let kept = await readHead(catalog, key, newestKey(server));
  let isNewest = true;
  while (kept !== undefined) {
    // An older one was seen in the log when it was put aside: if it is not there now, it was altered, and is told as it is.
    if (!isNewest || (await isInLog(catalog, server, kept, leafOf))) yield headOf(kept, server);
    isNewest = false;
    kept = kept.previous === undefined ? undefined : await readHead(catalog, key, leafKey(kept.previous));
  }
}

async function isInLog(
  catalog: Pick<Catalog, 'head' | 'leaves'>,
  server: string,
  kept: Kept,
  leafOf: AccessHeadForm['leafOf'],
): Promise<boolean> {
  if (kept.leafIndex >= catalog.head().leafCount) return false;
  const leaf = await catalog.leaves(kept.leafIndex, kept.leafIndex + 1);
  return sameBytes(leaf, leafOf(headOf(kept, server)));
}

function headOf({ leafIndex, time, count, digest }: Kept, server: string): LoggedAccessHead {
  return { leafIndex, time, server, count, digest: Buffer.from(digest, 'hex') };
}

async function readHead(catalog: Pick<Catalog, 'getState'>, key: Uint8Array, name: string): Promise<Kept | undefined> {
  const bytes = await catalog.getState(name);
  if (bytes === undefined) return undefined;
  const [mac, text] = [bytes.subarray(0, 32), bytes.subarray(32)];
  if (!sameBytes(mac, macOf(key, name, text))) throw new AccessLogBroken(`what is kept as "${name}" is altered`);
  return JSON.parse(Buffer.from(text).toString('utf8')) as Kept;
}

function writeHead(catalog: Pick<Catalog, 'putState'>, key: Uint8Array, name: string, head: Kept): Promise<void> {
  const text = Buffer.from(JSON.stringify(head));
  return catalog.putState(name, Buffer.concat([macOf(key, name, text), text]));
}

function macOf(key: Uint8Array, name: string, text: Uint8Array): Buffer {
  return createHmac('sha256', key).update(`${name}\n`).update(text).digest();
}

const nothing = new Uint8Array(0);

/** A place in the log of which the catalog keeps the leaf alone. */
function placeOf(leaf: Uint8Array, lastUpdated: number): VersionRecord {
  return {
    resource: new Uint8Array(16),
    versionId: 0,
    isDeleted: false,
    isErased: true,
    lastUpdated,
    keyWraps: [],
    header: nothing,
    leaf,
    terms: nothing,
    links: [],
  };
}
