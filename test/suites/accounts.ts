/** Entries of a SmartStore, with every field that one may have: what a backup has to bring back. */
import type { Kind, SmartStore, StoredEntry } from '../../src/smart/store/smart-store.js';
import { plain } from './plain.js';

const bytes = (text: string) => new Uint8Array(Buffer.from(text));

export const accountEntries: readonly (readonly [Kind, StoredEntry])[] = [
  ['Account', { key: 'ada', sealed: bytes('\u0000\u00ff sealed'), alias: 'name-of-ada' }],
  ['AuthorizationCode', { key: 'code', sealed: bytes('a'), expiresAt: 4_000_000_000_000, group: 'grant' }],
  ['RefreshToken', { key: 'token', sealed: bytes('b'), expiresAt: 4_000_000_000_001, group: 'grant' }],
];

/** Everything that a store has, comparable. */
export async function contentsOf(store: SmartStore): Promise<unknown> {
  const kinds = await store.kinds();
  return plain(await Promise.all(kinds.map(async (kind) => [kind, await store.list(kind)])));
}
