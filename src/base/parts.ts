/** A long list in parts that are worked on one after the other. */

/** Where a part ends. */
export interface PartLimits {
  readonly items: number;
  /** A part that is larger has one item too many, or one that is larger by itself. */
  readonly sizeBytes: number;
}

export function* partsOf<T>(list: readonly T[], sizeBytesOf: (item: T) => number, most: PartLimits): Generator<T[]> {
  let from = 0;
  let sizeBytes = 0;
  for (let at = 0; at < list.length; at += 1) {
    sizeBytes += sizeBytesOf(list[at]!);
    if (at + 1 - from < most.items && sizeBytes < most.sizeBytes) continue;
    yield list.slice(from, at + 1);
    from = at + 1;
    sizeBytes = 0;
  }
  if (from < list.length) yield list.slice(from);
}
