/**
 * Tiles: the layout in which a Merkle tree is kept and served.
 *
 * A tile of level L holds up to 256 hashes of tree level 8·L. Spec: https://c2sp.org/tlog-tiles
 */

export const tileHeight = 8;
export const tileWidth = 256;

export interface TileName {
  /** 0 to 63. */
  readonly level: number;
  readonly index: number;
  /** Hashes in it: 256 for a full tile, 1 to 255 for a partial one. */
  readonly width: number;
}

/** `tile/0/x001/x234/067`, with `.p/W` behind a partial tile. */
export function tilePath({ level, index, width }: TileName): string {
  return `tile/${level}/${indexPath(index)}${width === tileWidth ? '' : `.p/${width}`}`;
}

/** `tile/entries/x001/x234/067[.p/W]`. */
export function entriesPath(index: number, width: number): string {
  return `tile/entries/${indexPath(index)}${width === tileWidth ? '' : `.p/${width}`}`;
}

const tileForm = /^(0|[1-9][0-9]?|entries)\/((?:x[0-9]{3}\/)*[0-9]{3})(?:\.p\/([1-9][0-9]{0,2}))?$/;

/** What is asked for by the path behind `tile/`; undefined when it is none. */
export function parseTilePath(path: string): (TileName | (Omit<TileName, 'level'> & { level: 'entries' })) | undefined {
  const match = tileForm.exec(path);
  if (match === null) return undefined;
  const digits = match[2].replaceAll('x', '').replaceAll('/', '');
  const [index, width] = [Number(digits), match[3] === undefined ? tileWidth : Number(match[3])];
  if (!Number.isSafeInteger(index) || indexPath(index) !== match[2]) return undefined;
  if (match[3] !== undefined && width >= tileWidth) return undefined;
  if (match[1] === 'entries') return { level: 'entries', index, width };
  return Number(match[1]) > 63 ? undefined : { level: Number(match[1]), index, width };
}

/** Tiles of a tree of `size` leaves at `level`: how many are full, and the width of the partial one behind them (0: none). */
export function tilesAt(level: number, size: number): { full: number; partial: number } {
  const hashes = Math.floor(size / tileWidth ** level);
  return { full: Math.floor(hashes / tileWidth), partial: hashes % tileWidth };
}

function indexPath(index: number): string {
  const digits = String(index);
  const groups = digits.padStart(3 * Math.ceil(digits.length / 3), '0').match(/.{3}/g) ?? [];
  return groups.map((group, at) => (at === groups.length - 1 ? group : `x${group}`)).join('/');
}
