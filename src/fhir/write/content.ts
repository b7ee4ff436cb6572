/** The JSON text of a new version: id and meta are the server's, everything else is the client's to the letter. */
import { stringifyJson } from '../../base/json.js';
import type { Coding, Resource } from '../../base/resource.js';

/** A version that waits for the time of its commit. */
export interface Content {
  /** Has id and meta.versionId; meta.lastUpdated is set by `render`. */
  readonly resource: Resource;
  /** @param lastUpdated milliseconds since 1970. @returns UTF-8 JSON text. */
  render(lastUpdated: number): Uint8Array;
}

/** Stands where the time will stand; its characters need no escape. */
const timeMark = '@@lastUpdated@@';

/**
 * @param labels security labels of the version before, which stay (a label is taken away by `$meta-delete` alone).
 */
export function contentOf(resource: Resource, id: string, versionId: number, labels: readonly Coding[] = []): Content {
  const { resourceType, meta = {} } = resource;
  const stamped = { versionId: '', lastUpdated: '', ...meta, ...carried(meta, labels) };
  stamped.versionId = String(versionId);
  stamped.lastUpdated = timeMark;
  const full: Resource = Object.assign({ resourceType, id, meta: stamped }, resource, { id, meta: stamped });
  const text = stringifyJson(full);
  const at = text.indexOf(timeMark);
  const before = text.slice(0, at);
  const after = text.slice(at + timeMark.length);
  return {
    resource: full,
    render(lastUpdated) {
      stamped.lastUpdated = new Date(lastUpdated).toISOString();
      return Buffer.from(before + stamped.lastUpdated + after);
    },
  };
}

function carried(meta: NonNullable<Resource['meta']>, labels: readonly Coding[]): { security?: Coding[] } {
  const present = meta.security ?? [];
  const missing = labels.filter(
    (label) => !present.some((other) => other.system === label.system && other.code === label.code),
  );
  return missing.length === 0 ? {} : { security: [...present, ...missing] };
}
