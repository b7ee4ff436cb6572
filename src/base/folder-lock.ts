/**
 * One process at a time for a folder.
 *
 * The lock is the operating system's (SQLite takes it on a file), so that it ends with the process, however that ends, and does not mistake another
 * process, or another container's, for the one that is gone.
 */
import { readFileSync, rmSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import Database from 'libsql';

export class FolderLocked extends Error {
  override readonly name = 'FolderLocked';
  constructor(
    readonly folder: string,
    /** Of the holder, as it numbers itself; undefined where it has not said yet. */
    readonly pid: number | undefined,
  ) {
    const holder = pid === undefined ? 'another process' : `the process with id ${pid}`;
    super(`${folder} is in use by ${holder}; stop that one, or choose another folder`);
  }
}

export interface FolderLock {
  release(): void;
}

/** @throws FolderLocked when another process, or another part of this one, holds the folder; what the file system says where it cannot be written. */
export function lockFolder(folder: string): FolderLock {
  const file = path.join(folder, 'in-use');
  const pidFile = `${file}.pid`;
  const database = new Database(file);
  try {
    database.exec('BEGIN EXCLUSIVE');
    // For the words of whoever comes second; the lock itself does not need it.
    writeFileSync(pidFile, String(process.pid), { mode: 0o600 });
  } catch (error) {
    database.close();
    throw (error as { code?: string }).code === 'SQLITE_BUSY' ? new FolderLocked(folder, pidIn(pidFile)) : error;
  }
  return {
    release() {
      try {
        rmSync(pidFile, { force: true });
      } catch {
        // A disk that became read-only: whose number stands there does not matter, the lock ends all the same.
      }
      database.close();
    },
  };
}

function pidIn(file: string): number | undefined {
  try {
    return Number(readFileSync(file, 'utf8')) || undefined;
  } catch {
    return undefined;
  }
}
