/**
 * The one place where errors become OperationOutcomes.
 *
 * Spec: https://hl7.org/fhir/R4/operationoutcome.html; status and issue codes: docs, table of errors.
 */
import { FhirError, type Issue, type IssueCode } from '../base/outcome.js';
import type { Resource } from '../base/resource.js';

/** An error as a client sees it. `isDefect`: nobody foresaw it; its details belong into the log, under the request id. */
export interface RenderedError {
  readonly status: number;
  readonly outcome: Resource;
  readonly headers: Readonly<Record<string, string>>;
  readonly isDefect: boolean;
}

/** What errors of ports mean to a client, by their names: adapters are not known here. */
const portErrors: Record<string, { status: number; code: IssueCode; diagnostics: string }> = {
  BlockStoreUnavailable: { status: 503, code: 'transient', diagnostics: 'The block store cannot be reached.' },
  CatalogUnavailable: { status: 503, code: 'transient', diagnostics: 'The catalog cannot be reached.' },
  ChainUnavailable: { status: 503, code: 'transient', diagnostics: 'The chain cannot be reached.' },
  ConsentUndecidable: {
    status: 503,
    code: 'transient',
    diagnostics: 'The consent contract cannot be asked, so nothing is released.',
  },
  SmartStoreUnavailable: { status: 503, code: 'transient', diagnostics: 'The store of tokens cannot be reached.' },
  AccessLogUnavailable: {
    status: 503,
    code: 'transient',
    diagnostics: 'The access log cannot be written, so nothing is released.',
  },
  AppendConflict: { status: 409, code: 'conflict', diagnostics: 'Other servers kept writing first; try again.' },
  SearchTooCostly: {
    status: 400,
    code: 'too-costly',
    diagnostics: 'The search would have to look at too many resources; narrow it.',
  },
};

/** @param requestId names the log entry in which the details of a defect stand. */
export function renderError(error: unknown, requestId: string): RenderedError {
  if (error instanceof FhirError) {
    return { status: error.status, outcome: outcomeOf(error.issues), headers: error.headers, isDefect: false };
  }
  const name = error instanceof Error ? error.name : '';
  const disk = Object.hasOwn(portErrors, name) ? diskProblem((error as Error).message) : undefined;
  if (disk !== undefined) {
    const { status, code, diagnostics } = disk;
    const outcome = outcomeOf([{ severity: 'error', code, diagnostics }]);
    return { status, outcome, headers: { 'Retry-After': '30' }, isDefect: false };
  }
  if (Object.hasOwn(portErrors, name)) {
    const { status, code, diagnostics } = portErrors[name];
    const headers: Record<string, string> = status === 503 ? { 'Retry-After': '5' } : {};
    return { status, outcome: outcomeOf([{ severity: 'error', code, diagnostics }]), headers, isDefect: false };
  }
  const diagnostics = `The server failed. The operator finds the details under request id ${requestId}.`;
  const outcome = outcomeOf([{ severity: 'fatal', code: 'exception', diagnostics }]);
  return { status: 500, outcome, headers: {}, isDefect: true };
}

/**
 * What a store that cannot write says of its disk. 507: https://www.rfc-editor.org/rfc/rfc4918#section-11.5
 */
function diskProblem(message: string): { status: number; code: IssueCode; diagnostics: string } | undefined {
  if (/ENOSPC|EDQUOT|EFBIG|disk is full|no space left|file too large/i.test(message)) {
    const diagnostics = 'The disk of the server is full: nothing was written. It goes on when there is room.';
    return { status: 507, code: 'no-store', diagnostics };
  }
  if (/EROFS|read-?only (?:file system|database)|readonly database/i.test(message)) {
    const diagnostics = 'The disk of the server is read-only: nothing was written.';
    return { status: 503, code: 'no-store', diagnostics };
  }
  return undefined;
}

const lineUrl = 'http://hl7.org/fhir/StructureDefinition/operationoutcome-issue-line';
const columnUrl = 'http://hl7.org/fhir/StructureDefinition/operationoutcome-issue-col';
const ruleSystem = 'https://mooring.example/fhir/CodeSystem/rule';

/** @param issues at least one. */
export function outcomeOf(issues: readonly Issue[]): Resource {
  return { resourceType: 'OperationOutcome', issue: issues.map(renderIssue) };
}

function renderIssue(issue: Issue): Record<string, unknown> {
  const { severity, code, diagnostics, expression, rule, line, column } = issue;
  const extension = [
    ...(line === undefined ? [] : [{ url: lineUrl, valueInteger: line }]),
    ...(column === undefined ? [] : [{ url: columnUrl, valueInteger: column }]),
  ];
  return {
    ...(extension.length > 0 ? { extension } : {}),
    severity,
    code,
    ...(rule === undefined ? {} : { details: { coding: [{ system: ruleSystem, code: rule }] } }),
    diagnostics,
    ...(expression === undefined ? {} : { expression: [expression] }),
  };
}

/** An OperationOutcome that says that all is well. */
export function allOk(diagnostics: string): Resource {
  return outcomeOf([{ severity: 'information', code: 'informational', diagnostics }]);
}
