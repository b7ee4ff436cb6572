/** Keeps leaf contexts: written once before the first leaf that names it, read when a proof is made. */
import { toHex } from '../base/bytes.js';
import type { Catalog } from '../commit/catalog.js';
import { leafContext, type LeafContext } from './leaf.js';

type StateStore = Pick<Catalog, 'getState' | 'putState'>;

function keyOf(id: Uint8Array): string {
  return `leaf-context/${toHex(id)}`;
}

const newestKey = 'leaf-context/newest';

/** Id of the context that came last: of a batch of tombstones and erased versions, which name none. */
export async function newestContextId(store: StateStore): Promise<Uint8Array | undefined> {
  return store.getState(newestKey);
}

/** The context of this server from now on, durable when this resolves. */
export async function openLeafContext(
  store: StateStore,
  profileSetDigest: Uint8Array,
  baseUrl: string,
): Promise<LeafContext> {
  const context = leafContext(profileSetDigest, baseUrl);
  if ((await store.getState(keyOf(context.id))) === undefined) {
    const text = JSON.stringify({ profileSetDigest: toHex(profileSetDigest), baseUrl });
    await store.putState(keyOf(context.id), Buffer.from(text, 'utf8'));
    await store.putState(newestKey, context.id);
  }
  return context;
}

/** The context that an opening names; undefined when the store never had it. */
export async function findLeafContext(store: StateStore, id: Uint8Array): Promise<LeafContext | undefined> {
  const bytes = await store.getState(keyOf(id));
  if (bytes === undefined) return undefined;
  const { profileSetDigest, baseUrl } = JSON.parse(Buffer.from(bytes).toString('utf8')) as {
    profileSetDigest: string;
    baseUrl: string;
  };
  return leafContext(new Uint8Array(Buffer.from(profileSetDigest, 'hex')), baseUrl);
}
