/** Everything that speaks against a write, collected before it is refused: all broken rules at once. */
import { FhirError, type Issue } from '../../base/outcome.js';

export class Problems {
  private status = 0;
  private readonly issues: Issue[] = [];

  /** The first problem decides the status. */
  add(status: number, issues: readonly Issue[]): void {
    if (this.status === 0) this.status = status;
    this.issues.push(...issues);
  }

  /** Runs `step`; a FhirError of it is kept (its issues placed at `place` when they have none), anything else passes on. */
  async collect<T>(place: string | undefined, step: () => T | Promise<T>): Promise<T | undefined> {
    try {
      return await step();
    } catch (error) {
      if (!(error instanceof FhirError)) throw error;
      this.add(
        error.status,
        error.issues.map((issue) => placed(issue, place)),
      );
      return undefined;
    }
  }

  get any(): boolean {
    return this.issues.length > 0;
  }

  /** @throws FhirError with all issues when there is any. */
  throwIfAny(): void {
    if (this.issues.length > 0) throw new FhirError(this.status, this.issues);
  }
}

function placed(issue: Issue, place: string | undefined): Issue {
  return issue.expression !== undefined || place === undefined ? issue : { ...issue, expression: place };
}

/** An issue of a resource seen from the Bundle that holds it: `Patient.name` becomes `Bundle.entry[3].resource.name`. */
export function seenFrom(place: string, resourceType: string, issue: Issue): Issue {
  const { expression } = issue;
  if (place === resourceType) return issue;
  if (expression === undefined || expression === resourceType) return { ...issue, expression: place };
  const isBelow = expression.startsWith(`${resourceType}.`) || expression.startsWith(`${resourceType}[`);
  return isBelow ? { ...issue, expression: place + expression.slice(resourceType.length) } : issue;
}
