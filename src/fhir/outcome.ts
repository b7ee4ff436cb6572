/**
 * The one place where errors become OperationOutcomes.
 *
 * Spec: https://hl7.org/fhir/R4/operationoutcome.html; status and issue codes: docs, table of errors.
 */
import { FhirError, type Issue } from '../base/outcome.js';
import type { Resource } from '../base/resource.js';

/** An error as a client sees it. `isDefect`: nobody foresaw it; its details belong into the log, under the request id. */
export interface RenderedError {
  readonly status: number;
  readonly outcome: Resource;
  readonly headers: Readonly<Record<string, string>>;
  readonly isDefect: boolean;
}

/** Ports whose engine is away throw errors of these names. */
const unavailable: Record<string, string> = {
  BlockStoreUnavailable: 'The block store cannot be reached.',
  CatalogUnavailable: 'The catalog cannot be reached.',
  ChainUnavailable: 'The chain cannot be reached.',
  ConsentUndecidable: 'The consent contract cannot be asked, so nothing is released.',
};

/** @param requestId names the log entry in which the details of a defect stand. */
export function renderError(error: unknown, requestId: string): RenderedError {
  if (error instanceof FhirError) {
    return { status: error.status, outcome: outcomeOf(error.issues), headers: error.headers, isDefect: false };
  }
  const name = error instanceof Error ? error.name : '';
  if (Object.hasOwn(unavailable, name)) {
    const issue: Issue = { severity: 'error', code: 'transient', diagnostics: unavailable[name] };
    return { status: 503, outcome: outcomeOf([issue]), headers: { 'Retry-After': '5' }, isDefect: false };
  }
  const diagnostics = `The server failed. The operator finds the details under request id ${requestId}.`;
  const outcome = outcomeOf([{ severity: 'fatal', code: 'exception', diagnostics }]);
  return { status: 500, outcome, headers: {}, isDefect: true };
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
