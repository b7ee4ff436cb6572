/**
 * Accounts, apps, grants and tokens, sealed as they are: from one store into another of the same key ring, or into a file of a backup and back.
 *
 * `smart.ndjson`: `[kind, entry]` a line, bytes in base64; the same whichever engine keeps them.
 */
import { createReadStream } from 'node:fs';
import path from 'node:path';
import { createInterface } from 'node:readline';
import type { SmartStore, StoredEntry } from '../../smart/store/smart-store.js';
import { FileWriter, type ArchivedFile } from './archive.js';

export const accountsName = 'smart.ndjson';

type Line = [kind: string, entry: Omit<StoredEntry, 'sealed'> & { readonly sealed: string }];

/** @returns how many entries. */
export async function copyAccounts(from: SmartStore, to: SmartStore): Promise<number> {
  let copied = 0;
  for (const kind of await from.kinds()) {
    for (const entry of await from.list(kind)) {
      await to.put(kind, entry);
      copied += 1;
    }
  }
  return copied;
}

export async function writeAccounts(store: SmartStore, folder: string): Promise<ArchivedFile> {
  const file = await FileWriter.open(folder, accountsName);
  for (const kind of await store.kinds()) {
    const lines = (await store.list(kind)).map((entry) => {
      const line: Line = [kind, { ...entry, sealed: Buffer.from(entry.sealed).toString('base64') }];
      return `${JSON.stringify(line)}\n`;
    });
    await file.write(Buffer.from(lines.join('')));
  }
  return file.close();
}

/** @returns how many entries. */
export async function readAccounts(folder: string, store: SmartStore): Promise<number> {
  let count = 0;
  for await (const text of createInterface({ input: createReadStream(path.join(folder, accountsName)) })) {
    const [kind, { sealed, ...entry }] = JSON.parse(text) as Line;
    await store.put(kind, { ...entry, sealed: new Uint8Array(Buffer.from(sealed, 'base64')) });
    count += 1;
  }
  return count;
}
