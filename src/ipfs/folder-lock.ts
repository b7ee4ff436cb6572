/**
 * One process at a time for a folder. The lock is the operating system's (a lock that SQLite takes on a file), so that it ends with the process,
 * however that ends.
 */
import path from 'node:path';
import Database from 'libsql';

export interface FolderLock {
  release(): void;
}

/** @throws Error when another process, or another part of this one, holds the folder. */
export function lockFolder(folder: string): FolderLock {
  const database = new Database(path.join(folder, 'lock'));
  try {
    database.exec('BEGIN EXCLUSIVE');
  } catch (error) {
    database.close();
    throw (error as { code?: string }).code === 'SQLITE_BUSY' ? new Error('another process uses it') : error;
  }
  return { release: () => database.close() };
}
