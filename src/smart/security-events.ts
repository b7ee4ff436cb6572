/**
 * Port: what happens to sign-ins and tokens, told to whoever keeps the audit trail.
 *
 * Durability: when `record` resolves, the event survives power loss; answers wait for it.
 * Trust: an event carries no secret: no password, token, code or key, and no name that was typed but is nobody's (it may be a password).
 * Shape: IHE BALP and DICOM PS3.15 A.5, see src/fhir/audit/event-codes.ts.
 */

/**
 * `login`, `logout`: a person; `authorize`: she allowed (or refused) an app what it asked for, or ended it (`end-grant`); `token`, `revoke`: an app
 * was given a token, gave one up; `refused`: a request came without a token that is valid here; `register`: an app registered itself;
 * `passkey`: a person added a passkey, or took one away; `account`, `app`, `keys`: what an operator did by the command line (told-events.ts).
 */
export type SecurityEventKind =
  | 'login'
  | 'logout'
  | 'authorize'
  | 'end-grant'
  | 'token'
  | 'revoke'
  | 'refused'
  | 'register'
  | 'passkey'
  | 'account'
  | 'app'
  | 'keys';

export interface SecurityEvent {
  readonly kind: SecurityEventKind;
  readonly outcome: 'permit' | 'deny';
  /** Reference of the person or service, where it is known. */
  readonly actor?: string;
  /** Id of the app. */
  readonly client?: string;
  /** Network address of the sender. */
  readonly address?: string;
  /** v3-ActReason code of what the token is for. */
  readonly purpose?: string;
  /** Ids of the patients whom it is about: the person herself, the patient in context. */
  readonly patients?: readonly string[];
  /** What was asked for: `Type/id`. */
  readonly entities?: readonly string[];
  /** What was asked for, as parameters without anything secret: `grant_type=refresh_token&scope=…`. */
  readonly query?: string;
  /** Why it was refused. */
  readonly cause?: string;
  readonly requestId?: string;
}

export interface SecurityLog {
  record(event: SecurityEvent): Promise<void>;
}

/** The patient whom an event about this person is about: herself. */
export function patientsOf(...references: readonly (string | undefined)[]): string[] {
  const ids = references.flatMap((reference) => /^Patient\/(.+)$/.exec(reference ?? '')?.[1] ?? []);
  return [...new Set(ids)];
}
