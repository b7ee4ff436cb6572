/** Rules of single resource types that their structure does not say. Called after the structure of the resource was checked. */
import { bundleRule } from './bundle.js';
import type { Frame, Run } from './run.js';

/** A rule of one resource type: reports into `run`. The resource may be of any shape where the structure was wrong. */
export type ResourceRule = (run: Run, frame: Frame) => void;

export const resourceRules: Readonly<Record<string, ResourceRule>> = {
  Bundle: bundleRule,
};
