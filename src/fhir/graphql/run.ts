/** What one GraphQL request carries along: who asks, as of when, what it may still cost, what it released. */
import { fhirError } from '../../base/outcome.js';
import type { Resource } from '../../base/resource.js';
import type { VersionRow } from '../../commit/catalog.js';
import { Slices } from '../../base/pause.js';
import type { Context } from '../request.js';
import type { FhirServices } from '../services.js';
import { contentOf } from '../visible-content.js';
import type { GraphQlDocument } from './document.js';

/** Limits of one request; beyond them it ends in `too-costly`. */
export const limits = { depth: 24, values: 200_000, resources: 5_000, searches: 200 } as const;

/** A resource whose fields are selected. */
export interface Subject {
  readonly resource: Resource;
  /** `Type/id`; absent for contained resources. */
  readonly name?: string;
}

export class Run {
  private readonly slices = new Slices();
  private values = 0;
  private searches = 0;
  private readonly opened = new Map<string, Promise<Subject>>();
  private readonly released = new Map<string, VersionRow>();

  constructor(
    readonly services: FhirServices,
    readonly context: Context,
    readonly document: GraphQlDocument,
    readonly asOf: number,
  ) {}

  /** Everything that was released, for the access record. */
  get rows(): VersionRow[] {
    return [...this.released.values()];
  }

  /** The content of a version that may be seen. @throws FhirError 400 `too-costly` */
  open(row: VersionRow): Promise<Subject> {
    const { resourceType, id, versionId } = this.services.opened.header(row);
    const key = `${resourceType}/${id}/${versionId}`;
    this.released.set(key, row);
    if (this.released.size > limits.resources) throw tooCostly(`more than ${limits.resources} resources`);
    let subject = this.opened.get(key);
    if (subject === undefined) {
      subject = Promise.resolve(contentOf(this.services, this.context.principal, row)).then((text) => ({
        resource: text.value(),
        name: `${resourceType}/${id}`,
      }));
      this.opened.set(key, subject);
    }
    return subject;
  }

  /** Counts one search. @throws FhirError 400 `too-costly` */
  countSearch(): void {
    this.searches += 1;
    if (this.searches > limits.searches) throw tooCostly(`more than ${limits.searches} searches`);
  }

  /** Lets others go on now and then, without counting: introspection is as large as the definitions are. */
  pause(): Promise<void> | undefined {
    return this.slices.turn();
  }

  /** Counts one value of the answer, and lets others go on now and then. @throws FhirError 400 `too-costly` */
  count(depth: number): Promise<void> | undefined {
    this.values += 1;
    if (this.values > limits.values) throw tooCostly(`more than ${limits.values} values`);
    if (depth > limits.depth) throw tooCostly(`nested deeper than ${limits.depth} levels`);
    return this.slices.turn();
  }
}

export function tooCostly(reason: string) {
  return fhirError(400, 'too-costly', `GraphQL: the query asks for ${reason}; narrow it.`);
}
