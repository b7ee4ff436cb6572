/**
 * Units as the UCUM library knows them: the one place that loads it.
 *
 * It is big, and takes 30 ms to load: done at the first unit that is asked for. It prints texts that are no units on the console and throws on some
 * of them, so it only ever sees what the grammar accepts (ucum.ts).
 */
import { createRequire } from 'node:module';
import { ucum } from './ucum.js';

/** The members of the library's units that are used here. */
export interface LibraryUnit {
  readonly magnitude_: number;
  readonly dim_: { readonly dimVec_: readonly number[] | null } | null;
  readonly cnv_: string | null;
  readonly cnvPfx_: number;
  readonly isArbitrary_: boolean;
  readonly isSpecial_: boolean;
  readonly moleExp_?: number;
  /** @throws Error for units of other dimensions. */
  convertFrom(value: number, from: LibraryUnit): number;
}

interface Library {
  getSpecifiedUnit(code: string, purpose: 'validate'): { readonly unit: LibraryUnit | null };
}

let library: Library | undefined;
const units = new Map<string, LibraryUnit | null>();
const mostUnits = 2_000;

/** The unit of a UCUM code; null for texts that are none. Remembered. */
export function libraryUnit(code: string): LibraryUnit | null {
  let unit = units.get(code);
  if (unit !== undefined) return unit;
  unit = ucum.contains(code) === 'in' ? lookedUp(code) : null;
  if (units.size >= mostUnits) units.clear();
  units.set(code, unit);
  return unit;
}

function lookedUp(code: string): LibraryUnit | null {
  library ??= (
    createRequire(import.meta.url)('@lhncbc/ucum-lhc') as { UcumLhcUtils: { getInstance(): Library } }
  ).UcumLhcUtils.getInstance();
  try {
    return library.getSpecifiedUnit(code, 'validate').unit;
  } catch {
    return null;
  }
}
