/** Rules of single data types that their structure does not say. Called after the structure of the value was checked. */
import { codingRule, measureRule, quantityRule } from './coding.js';
import { extensionRule } from './extension.js';
import { attachmentRule, identifierRule } from './identifier.js';
import { narrativeDivRule } from './narrative.js';
import { canonicalRule, referenceRule } from './reference.js';
import type { Run } from './run.js';
import type { Property } from './shapes.js';

/** A rule of one type: reports into `run`. `value` may be of any shape where the structure was wrong. */
export type TypeRule = (run: Run, value: unknown, path: string, member: Property) => void;

export const typeRules: Readonly<Record<string, TypeRule>> = {
  Coding: codingRule,
  Quantity: quantityRule,
  Age: measureRule,
  Count: measureRule,
  Distance: measureRule,
  Duration: measureRule,
  Extension: extensionRule,
  Identifier: identifierRule,
  Attachment: attachmentRule,
  xhtml: narrativeDivRule,
  Reference: referenceRule,
  canonical: canonicalRule,
};
