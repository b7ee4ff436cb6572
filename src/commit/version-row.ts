/** A version of an entry as queries find it. */
import type { VersionRecord, VersionRow } from './catalog.js';

/** Packed terms of a version are so long each. */
export const termBytes = 16;

/** @param leafIndex its place in the anchored log. @returns what a catalog answers for it once entry `seq` is appended. */
export function rowOf(version: VersionRecord, seq: number, leafIndex: number): VersionRow {
  const { resource, versionId, isDeleted, lastUpdated, block, keyWraps, header } = version;
  return {
    resource,
    versionId,
    isDeleted,
    lastUpdated,
    ...(block === undefined ? {} : { block }),
    keyWraps,
    header,
    leafIndex,
    seq,
  };
}
