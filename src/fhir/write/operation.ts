/** One write as the router or a Bundle asks for it, and what became of it. */
import type { Issue } from '../../base/outcome.js';
import type { Resource } from '../../base/resource.js';
import type { VersionRow } from '../../commit/catalog.js';
import type { JsonText } from '../json-text.js';

export interface WriteOperation {
  readonly interaction: 'create' | 'update' | 'patch' | 'delete';
  readonly resourceType: string;
  /** The id in the URL; for a create, the id that the server assigned. Absent for conditional update, patch and delete. */
  readonly id?: string;
  /** Search criteria of a conditional interaction (`identifier=s|v`), without a type. */
  readonly condition?: string;
  /** Content of a create or update. */
  readonly resource?: Resource;
  /** Makes the new content of a patch from the present one. @throws FhirError 422 or 400 */
  readonly patch?: (present: Resource) => Resource;
  /** The content is all there is: security labels of the version before do not stay (`$meta-delete`). */
  readonly dropsLabels?: boolean;
  /** versionIds one of which the present version must have; `*`: any. */
  readonly ifMatch?: readonly string[];
  /** `*`: refuse when the resource exists. */
  readonly ifNoneMatch?: string;
  /** `Bundle.entry.fullUrl`. */
  readonly fullUrl?: string;
  /** FHIRPath of the content, for issues: `Patient`, or `Bundle.entry[3].resource`. */
  readonly place: string;
  /** FHIRPath of the request, for issues: `Bundle.entry[3].request`; absent outside of Bundles. */
  readonly requestPlace?: string;
}

/** What became of one operation. */
export interface Written {
  readonly operation: WriteOperation;
  /** `matched`: a conditional create found what it would have created; `nothing`: there was nothing to delete. */
  readonly result: 'created' | 'updated' | 'deleted' | 'matched' | 'nothing';
  readonly resourceType: string;
  readonly id: string;
  /** Absent for `nothing`. */
  readonly row?: VersionRow;
  /** Content as it was stored, when it is at hand. */
  readonly text?: JsonText;
  /** Warnings and hints of the validator. */
  readonly issues: readonly Issue[];
}
