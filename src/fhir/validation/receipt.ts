/**
 * The receipt: a validator's verdict as bytes that every validator with the same ProfileSet produces alike.
 *
 * Canonical JSON (RFC 8785) without time, free text or values of the resource. Format: docs/poi-receipt.md.
 */
import { sha256 } from '../../base/bytes.js';
import type { Issue } from '../../base/outcome.js';
import type { Resource } from '../../base/resource.js';
import { coverageOf, type Coverage } from './coverage.js';
import { demandedFor, type ValidationPolicy } from './policy.js';

/** 0: parses. 1: base R4 holds. 2: and all declared profiles. 3: and all required and extensible bindings could be checked. */
export type Level = 0 | 1 | 2 | 3;

export interface Receipt {
  readonly level: Level;
  /** Canonical JSON, UTF-8. */
  readonly text: string;
  /** SHA-256 of the text, 32 bytes. */
  readonly receiptDigest: Uint8Array;
}

/** Rules whose issue says that a profile could not be checked, whatever its severity. */
const profileUnchecked = /^profile-un/;

const cacheLimit = 10_000;

/** Makes receipts under one ProfileSet. A verdict that occurred before costs one Map look-up. */
export class Receipts {
  private readonly made = new Map<string, Receipt>();
  private readonly head: string;

  /**
   * @param profileSet SHA-256 of the ProfileSet manifest, 64 hexadecimal digits.
   * @param demanded resource type to the profiles that the operator demands; those that the validator was told.
   */
  constructor(
    readonly profileSet: string,
    private readonly demanded: ValidationPolicy['demanded'] = {},
  ) {
    this.head = JSON.stringify(profileSet);
  }

  /**
   * @param issues as the validator answered them for `resource` (that very array: its coverage is kept beside it).
   * @param profiles canonical URLs that were demanded beside `meta.profile`; default: those of the policy.
   */
  of(resource: Resource, issues: readonly Issue[], profiles = demandedFor(this.demanded, resource)): Receipt {
    const coverage = coverageOf(issues) ?? uncovered(issues);
    const declared = resource.meta?.profile;
    const names = profiles.length === 0 && declared === undefined ? noNames : namesOf(declared, profiles);
    const key = keyOf(resource.resourceType, names, coverage, issues);
    let receipt = this.made.get(key);
    if (!receipt) {
      receipt = this.make(resource.resourceType, names, coverage, issues);
      if (this.made.size >= cacheLimit) this.made.clear();
      this.made.set(key, receipt);
    }
    return receipt;
  }

  private make(
    resourceType: string,
    profiles: readonly string[],
    coverage: Coverage,
    issues: readonly Issue[],
  ): Receipt {
    const level = levelOf(issues, coverage);
    // Members in the order of RFC 8785; JSON.stringify writes strings and integers as it demands.
    const text =
      `{"coverage":{"bindings":${coverage.bindings},"bindingsChecked":${coverage.bindingsChecked}}` +
      `,"format":"mooring-receipt-1","issues":[${issueTexts(issues).join(',')}],"level":${level}` +
      `,"profileSet":${this.head},"profiles":${JSON.stringify(profiles)},"resourceType":${JSON.stringify(resourceType)}}`;
    return { level, text, receiptDigest: sha256(Buffer.from(text, 'utf8')) };
  }
}

/** How far a verdict reaches. */
export function levelOf(issues: readonly Issue[], coverage: Coverage): Level {
  let isProfiled = true;
  for (const { severity, rule } of issues) {
    if (severity === 'error' || severity === 'fatal') return 0;
    if (rule !== undefined && profileUnchecked.test(rule)) isProfiled = false;
  }
  if (!isProfiled) return 1;
  return coverage.bindings === coverage.bindingsChecked ? 3 : 2;
}

const noNames: readonly string[] = [];

function namesOf(declared: unknown, demanded: readonly string[]): readonly string[] {
  const names = Array.isArray(declared) ? declared.filter((name): name is string => typeof name === 'string') : [];
  return [...new Set([...names, ...demanded])].sort();
}

function keyOf(type: string, profiles: readonly string[], coverage: Coverage, issues: readonly Issue[]): string {
  let key = `${type}\n${coverage.bindings}\n${coverage.bindingsChecked}`;
  for (const profile of profiles) key += `\n${profile}`;
  for (const { severity, code, rule, expression } of issues) key += `\0${severity}\n${code}\n${rule}\n${expression}`;
  return key;
}

/** Sorted and distinct, so that the order in which a validator looks does not show. Hints (`information`) are left out. */
function issueTexts(issues: readonly Issue[]): string[] {
  const texts = new Set<string>();
  for (const { severity, code, rule, expression } of issues) {
    if (severity === 'information') continue;
    texts.add(
      `{"code":${JSON.stringify(code)}` +
        (expression === undefined ? '' : `,"expression":${JSON.stringify(expression)}`) +
        (rule === undefined ? '' : `,"rule":${JSON.stringify(rule)}`) +
        `,"severity":${JSON.stringify(severity)}}`,
    );
  }
  return [...texts].sort();
}

/** For a list without known coverage: what the list itself tells. */
function uncovered(issues: readonly Issue[]): Coverage {
  const unchecked = issues.filter(({ rule }) => rule === 'binding-unchecked').length;
  return { bindings: unchecked, bindingsChecked: 0 };
}
