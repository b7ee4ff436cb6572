/**
 * What the FHIR door stands on. Each interaction takes a Pick of it: just the services that it needs.
 */
import type { Clock } from '../base/clock.js';
import type { Issue } from '../base/outcome.js';
import type { Resource } from '../base/resource.js';
import type { AccessLog } from '../commit/access-log.js';
import type { Catalog } from '../commit/catalog.js';
import type { Committer } from '../commit/committer.js';
import type { CommittedDraft, Draft } from '../commit/draft.js';
import type { Records } from '../commit/records.js';
import type { EmergencyDesk } from '../consent/emergency-desk.js';
import type { ConsentGate, Principal } from '../consent/gate.js';
import type { OAuthEndpoints } from '../smart/discovery.js';
import type { SecurityLog } from '../smart/security-events.js';
import type { Names } from '../vault/names.js';
import type { Definitions } from './definitions/definitions.js';
import type { AuditIndex } from './audit/audit-index.js';
import type { Cursors } from './interactions/cursors.js';
import type { OpenedCache } from './opened-cache.js';
import type { Operation } from './operations/operation.js';
import type { Extractor } from './search/extract.js';
import type { SearchContext } from './search/context.js';
import type { Validator } from './validation/validator.js';

export interface FhirConfig {
  /** Public base URL with `/fhir`, without a slash at the end; absent: what the Host header says. */
  readonly baseUrl?: string;
  /** A proxy stands before us and says where requests come from. */
  readonly isBehindProxy?: boolean;
  readonly maxBodyBytes: number;
  /** Whose PUT of an unknown id creates it: anybody's, the operator's (this server's own organisation), nobody's. */
  readonly updateCreate: 'on' | 'operator' | 'off';
  readonly conditionalDelete: 'single' | 'multiple';
  /** References to resources that are not here refuse a write. */
  readonly integrityOnWrite: boolean;
  /** Who may write Consents that are in force: the patient and the organisation of this server, or anybody whom consent lets. */
  readonly consentAuthors: 'organization' | 'any';
  /** Reference of who reviews emergency accesses. */
  readonly reviewer: string;
  /** Also the actors that a Consent names must be here. */
  readonly integrityOfActors: boolean;
  /** Resources that others refer to cannot be deleted. */
  readonly integrityOnDelete: boolean;
  readonly unknownProfile: 'warning' | 'error';
  /** Matches on a page when the client does not say. */
  readonly defaultCount: number;
  /** Most matches on a page, whatever the client says. */
  readonly maxCount: number;
  readonly allowedOrigins: readonly string[];
  /** Reference of the organisation that runs this server. */
  readonly organization: string;
}

/** What a request says about its sender. */
export interface Credentials {
  /** The Authorization header. */
  readonly authorization?: string;
  /** The DPoP header: a proof of possession (RFC 9449). */
  readonly dpop?: string;
  readonly method: string;
  /** As it was sent, below the base URL, without query: `/Patient/1`. */
  readonly path: string;
}

/** Informed of every Consent that was committed. */
export interface ConsentFilings {
  /** Throws FhirError 422 for an active Consent that cannot be compiled; called before the commit. */
  check(consent: Resource): void;
  onConsentWritten(consent: Resource): Promise<void>;
  onConsentRevoked(consentId: string): Promise<void>;
}

export interface FhirServices {
  readonly config: FhirConfig;
  readonly clock: Clock;
  readonly definitions: Definitions;
  readonly catalog: Catalog;
  /** Where several servers share one log: learns what others have done. Awaited before each request; absent where this one is alone. */
  readonly refresh?: (() => Promise<void>) | undefined;
  readonly committer: Pick<Committer, 'submit'>;
  readonly records: Pick<Records, 'header' | 'open'>;
  readonly names: Names;
  readonly opened: OpenedCache;
  readonly search: SearchContext;
  readonly extractor: Extractor;
  readonly cursors: Cursors;
  readonly validator: Validator;
  readonly gate: ConsentGate;
  /** Absent: no glass is broken here. */
  readonly emergencies?: EmergencyDesk;
  readonly accessLog: Pick<AccessLog, 'append' | 'read' | 'head'>;
  /** Finds records of the access log; absent: AuditEvents are those that were stored, alone. */
  readonly audit?: AuditIndex;
  /** Told of refused logins; absent: they are recorded nowhere. */
  readonly securityLog?: SecurityLog;
  /** Whether pages of an origin belong to a registered app; absent: apps are registered elsewhere. */
  isAppOrigin?(origin: string): Promise<boolean>;
  readonly consents?: ConsentFilings;
  /** Told of what was committed, before the answer leaves (uploaded definitions come in force). */
  readonly afterCommit?: (drafts: readonly CommittedDraft[]) => Promise<void>;
  /** Who sends this, by its token. @throws FhirError 401 with the challenge that tells what to do. */
  authenticate(credentials: Credentials): Principal | Promise<Principal>;
  /** How far a resource was validated, the digest of the receipt that says so, and the ProfileSet that it names. */
  readonly receiptOf?: (
    resource: Resource,
    issues: readonly Issue[],
  ) => Pick<Draft, 'level' | 'receiptDigest' | 'leafContext'>;
  /** Resolves when the leaf is anchored (true), or when the time is over (false). */
  readonly anchored?: (leafIndex: number, timeoutMs: number) => Promise<boolean>;
  /** Where tokens are asked for; resolves to undefined while that is not known. */
  readonly oauth?: () => Promise<OAuthEndpoints | undefined>;
  /** Operations beside the door's own (`$validate`, `$expand`, `$proof`, ...). */
  readonly operations: readonly Operation[];
  /** Writes what nobody foresaw into the log. */
  reportDefect(requestId: string, error: unknown): void;
}
