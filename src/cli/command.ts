/** What the commands that change stores have in common: words for the operator instead of stack traces. */
import { parseArgs, type ParseArgsConfig } from 'node:util';
import { ConfigError } from '../config.js';

/** Errors that an operator understands and can mend. */
const plainErrors = new Set([
  'ArchiveBroken',
  'FolderLocked',
  'KeyUnavailable',
  'BlockStoreUnavailable',
  'CatalogUnavailable',
  'SmartStoreUnavailable',
  'CommandRefused',
  'ChainUnavailable',
  'WrongChain',
  'SignerRefused',
  'AccessLogBroken',
  'ServerRefused',
]);

/** The command was used wrongly: status 2 with the usage. */
export class CommandRefused extends Error {
  override readonly name = 'CommandRefused';
}

/** Runs a command. @returns its exit status: 0, 1 for what went wrong, 2 for wrong use. */
export async function command(usage: string, work: () => Promise<number>): Promise<number> {
  try {
    return await work();
  } catch (error) {
    if (!(error instanceof Error)) throw error;
    const isUse = error instanceof CommandRefused || error instanceof ConfigError || error instanceof TypeError;
    if (isUse && (error instanceof CommandRefused || 'code' in error || error instanceof ConfigError)) {
      console.error(`${error.message}\n${usage}`);
      return 2;
    }
    if (!plainErrors.has(error.name)) throw error;
    console.error(error.message);
    return 1;
  }
}

/** As parseArgs, with `--help`. @returns undefined when the usage was asked for, and printed. */
export function argumentsOf<T extends NonNullable<ParseArgsConfig['options']>>(
  usage: string,
  args: string[],
  options: T,
) {
  const parsed = parseArgs({
    args,
    allowPositionals: true,
    options: { ...options, help: { type: 'boolean', default: false } },
  });
  if (!(parsed.values as { help?: boolean }).help) return parsed;
  console.error(usage);
  return undefined;
}
