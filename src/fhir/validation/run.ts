/**
 * One validation: the issues found so far and the resource that is being looked at.
 *
 * Everything compiled (shapes, profiles, bindings) is shared between runs; a Run is made for each call and thrown away.
 */
import type { Issue, IssueCode } from '../../base/outcome.js';
import type { Resource } from '../../base/resource.js';
import type { Engine } from './engine.js';
import type { Property } from './shapes.js';
import type { ValidationOptions } from './validator.js';

/** Where a resource stands: alone, in `contained`, in a Bundle entry or in a Parameters parameter. */
export interface Frame {
  readonly resource: Resource;
  /** FHIRPath of the resource. */
  readonly path: string;
  readonly kind: 'root' | 'contained' | 'entry' | 'parameter';
  readonly parent?: Frame;
  /** Of a Bundle entry. */
  readonly fullUrl?: string;
  /** FHIRPath variables of this resource, made when the first invariant runs. */
  scope?: unknown;
}

/** How many bindings and invariants were met and decided: the receipt's coverage. */
export interface Coverage {
  bindings: number;
  bindingsChecked: number;
}

/** The object being checked, and those around it up to the resource: what the context of an extension is about. */
export interface Holder {
  readonly object: Readonly<Record<string, unknown>>;
  /** Type name, or the definition's path of a backbone element. */
  readonly type: string;
  /** Where it stands; undefined for a resource. */
  readonly property?: Property;
  readonly parent?: Holder;
}

export class Run {
  readonly issues: Issue[] = [];
  holder: Holder | undefined;
  /** Entries of the outermost Bundle that were checked in steps of their own. */
  readonly checkedEntries = new Set<object>();
  readonly coverage: Coverage = { bindings: 0, bindingsChecked: 0 };

  constructor(
    readonly engine: Engine,
    readonly options: ValidationOptions,
    public frame: Frame,
  ) {}

  private readonly checking = new Map<object, Set<unknown>>();

  /** True when `value` is being checked by `rule` already, further out (references may go round); else it is from now on. */
  isChecking(rule: object, value: unknown): boolean {
    let values = this.checking.get(rule);
    if (!values) this.checking.set(rule, (values = new Set()));
    if (values.has(value)) return true;
    values.add(value);
    return false;
  }

  isDone(rule: object, value: unknown): void {
    this.checking.get(rule)?.delete(value);
  }

  error(code: IssueCode, rule: string, expression: string, diagnostics: string): void {
    this.issues.push({ severity: 'error', code, diagnostics, expression, rule });
  }

  warning(code: IssueCode, rule: string, expression: string, diagnostics: string): void {
    this.issues.push({ severity: 'warning', code, diagnostics, expression, rule });
  }

  information(code: IssueCode, rule: string, expression: string, diagnostics: string): void {
    this.issues.push({ severity: 'information', code, diagnostics, expression, rule });
  }

  /** True when an issue of severity error was found since `mark` (a former `issues.length`). */
  failedSince(mark: number): boolean {
    for (let at = mark; at < this.issues.length; at += 1) {
      if (this.issues[at].severity === 'error' || this.issues[at].severity === 'fatal') return true;
    }
    return false;
  }
}

/** `value` as it may stand in a message: JSON, cut to 80 characters. */
export function shown(value: unknown): string {
  const text = typeof value === 'string' ? `'${value}'` : (JSON.stringify(value) ?? String(value));
  return text.length > 80 ? `${text.slice(0, 77)}...` : text;
}
