/** What the operator demands beyond the specification: profiles for a type, and how severe an issue has to be to refuse a write. */
import type { Issue } from '../../base/outcome.js';
import type { Resource } from '../../base/resource.js';
import { coverageOf, noteCoverage } from './coverage.js';
import type { ValidationOptions, Validator } from './validator.js';

export interface ValidationPolicy {
  readonly unknownProfile: 'error' | 'warning';
  readonly bestPractice: boolean;
  readonly checkReferenceTypes: boolean;
  /** Resource type to canonical URLs that every instance must meet. */
  readonly demanded: Readonly<Record<string, readonly string[]>>;
  /** `warning`: under the modes create and update, a warning counts as an error. Default `error`. */
  readonly refusedSeverity?: 'error' | 'warning';
}

/** `validator` with the policy's options as defaults, its demanded profiles added, and its severities raised. */
export function underPolicy(validator: Validator, policy: ValidationPolicy): Validator {
  const { unknownProfile, bestPractice, checkReferenceTypes, demanded, refusedSeverity } = policy;
  const defaults = { unknownProfile, bestPractice, checkReferenceTypes };
  const optionsFor = (resource: Resource, options: ValidationOptions | undefined): ValidationOptions => {
    const profiles = demandedFor(demanded, resource);
    if (profiles.length === 0) return { ...defaults, ...options };
    return { ...defaults, ...options, profiles: [...new Set([...(options?.profiles ?? []), ...profiles])] };
  };
  const raised = (issues: Issue[], options: ValidationOptions | undefined): Issue[] => {
    const isWrite = options?.mode === 'create' || options?.mode === 'update';
    return isWrite && refusedSeverity === 'warning' ? warningsAsErrors(issues) : issues;
  };
  return {
    validate: (resource, options) => raised(validator.validate(resource, optionsFor(resource, options)), options),
    *validateInSteps(resource, options) {
      return raised(yield* validator.validateInSteps(resource, optionsFor(resource, options)), options);
    },
  };
}

const none: readonly string[] = [];

/** The profiles that the policy demands of a resource. */
export function demandedFor(demanded: ValidationPolicy['demanded'], resource: Resource): readonly string[] {
  const { resourceType } = (resource as Resource | null | undefined) ?? {};
  return typeof resourceType === 'string' && Object.hasOwn(demanded, resourceType) ? demanded[resourceType] : none;
}

function warningsAsErrors(issues: Issue[]): Issue[] {
  if (!issues.some(({ severity }) => severity === 'warning')) return issues;
  const raised = issues.map((issue): Issue => (issue.severity === 'warning' ? { ...issue, severity: 'error' } : issue));
  const coverage = coverageOf(issues);
  if (coverage) noteCoverage(raised, coverage);
  return raised;
}
