/**
 * What goes into the FHIR router and what comes out: independent of HTTP, so that a batch entry takes the same way as a request.
 *
 * Spec: https://hl7.org/fhir/R4/http.html
 */
import type { Principal } from '../consent/gate.js';
import type { Resource } from '../base/resource.js';
import type { JsonText } from './json-text.js';

export type Method = 'GET' | 'HEAD' | 'POST' | 'PUT' | 'PATCH' | 'DELETE';

/** Name and value of each query parameter, decoded, in the order of the request. */
export type Query = readonly (readonly [name: string, value: string])[];

export interface FhirRequest {
  readonly method: Method;
  /** Decoded segments below the base URL: `['Patient', '1']`. */
  readonly path: readonly string[];
  readonly query: Query;
  readonly ifMatch?: string;
  readonly ifNoneMatch?: string;
  readonly ifNoneExist?: string;
  /** Milliseconds since 1970. */
  readonly ifModifiedSince?: number;
  readonly prefer: Preference;
  /** The parsed body: a resource, or a JSON Patch array; absent when there is none. */
  readonly body?: unknown;
  /** The body of an operation as it came, so that messages can say where in it something stands. */
  readonly bodyBytes?: Uint8Array;
  /** How the body was written; decides between the kinds of patch. */
  readonly bodyFormat?: 'json' | 'xml' | 'json-patch' | 'merge-patch' | 'xml-patch' | 'graphql' | 'binary';
  /** Media type of a body that is no FHIR format (native content of a Binary). */
  readonly contentType?: string;
  /** A Binary is asked for in its own content type. */
  readonly wantsNative?: boolean;
}

/** The `Prefer` header. Spec: https://hl7.org/fhir/R4/http.html#ops, RFC 7240. */
export interface Preference {
  readonly return?: 'minimal' | 'representation' | 'OperationOutcome';
  readonly handling?: 'strict' | 'lenient';
  readonly respondAsync?: boolean;
  /** Seconds to wait for the anchor of a write. */
  readonly wait?: number;
}

/** Who asks, and how the request is called in logs and links. */
export interface Context {
  readonly principal: Principal;
  readonly requestId: string;
  /** Without a slash at the end: `http://127.0.0.1:8080/fhir`. */
  readonly baseUrl: string;
  /** Network address of the sender; absent: the server itself asks. */
  readonly address?: string;
  /** Why glass is broken: the header `X-Break-Glass-Reason`. */
  readonly breakGlassReason?: string;
  /** Set for entries of a batch: those may carry an id that is not meant. */
  readonly isBundleEntry?: boolean;
  /** Set while the reads of a transaction are tried: what is found does not leave. */
  readonly isRehearsal?: boolean;
  /** How long an answer to a write waits for its anchor (`Prefer: wait=30`). */
  readonly waitForAnchorMs?: number;
}

export interface FhirResponse {
  readonly status: number;
  /** A resource, or one whose JSON text is at hand; absent: no body. */
  readonly resource?: Resource | JsonText;
  /** Native content of a Binary, instead of a resource. */
  readonly native?: { readonly contentType: string; readonly bytes: Uint8Array };
  /** Sealed bytes for the most part: compressing them would cost more time than sending the quarter that it saves. */
  readonly isSealed?: boolean;
  readonly versionId?: string;
  /** Milliseconds since 1970. */
  readonly lastModified?: number;
  /** Absolute URL. */
  readonly location?: string;
  readonly headers?: Readonly<Record<string, string>>;
  /** Hints and warnings that a Bundle entry carries in `response.outcome`. */
  readonly outcome?: Resource;
}
