/**
 * One server a folder: a lock file that names the process.
 *
 * A lock left by a process that was killed is taken over: the file names a pid and when that process started (Linux), so a new process that got the same
 * pid does not count.
 */
import { readFileSync } from 'node:fs';
import { open, readFile, rm, writeFile } from 'node:fs/promises';
import path from 'node:path';

export class FolderLocked extends Error {
  override readonly name = 'FolderLocked';
  constructor(
    readonly folder: string,
    readonly pid: number,
  ) {
    super(`${folder} is in use by the server with process id ${pid}; stop that one, or choose another DATA_DIR`);
  }
}

export interface FolderLock {
  release(): Promise<void>;
}

/** @throws FolderLocked */
export async function lockFolder(folder: string): Promise<FolderLock> {
  const file = path.join(folder, 'lock');
  const identity = `${process.pid} ${startOf(process.pid) ?? ''}`;
  try {
    const handle = await open(file, 'wx', 0o600);
    await handle.writeFile(identity);
    await handle.close();
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error;
    const [pid, start] = (await readFile(file, 'utf8')).split(' ');
    if (isRunning(Number(pid), start)) throw new FolderLocked(folder, Number(pid));
    await writeFile(file, identity, { mode: 0o600 });
  }
  return { release: () => rm(file, { force: true }) };
}

function isRunning(pid: number, start: string | undefined): boolean {
  if (!Number.isInteger(pid) || pid <= 0) return false;
  try {
    process.kill(pid, 0);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EPERM') return false;
  }
  const known = startOf(pid);
  return known === undefined || start === undefined || start === '' || known === start;
}

/** When a process started, in clock ticks since boot (field 22 of /proc/PID/stat); undefined where there is no /proc. */
function startOf(pid: number): string | undefined {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
    return stat.slice(stat.lastIndexOf(')') + 2).split(' ')[19];
  } catch {
    return undefined;
  }
}
