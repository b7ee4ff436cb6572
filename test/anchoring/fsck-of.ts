/** `mooring fsck` in this process. */
import { run } from '../../src/cli/fsck.js';

/** Its exit status and what it prints, for the data in `folder`. */
export async function fsckOf(folder: string, ...args: string[]): Promise<{ status: number; lines: string[] }> {
  const lines: string[] = [];
  /* eslint-disable no-console */
  const [log, error, dataDir] = [console.log, console.error, process.env.DATA_DIR];
  console.log = console.error = (line: string) => void lines.push(line);
  process.env.DATA_DIR = folder;
  try {
    return { status: await run(args), lines };
  } finally {
    [console.log, console.error] = [log, error];
    if (dataDir === undefined) delete process.env.DATA_DIR;
    else process.env.DATA_DIR = dataDir;
  }
  /* eslint-enable no-console */
}
