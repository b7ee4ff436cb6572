/**
 * Security labels of a Bundle: the highest Confidentiality of what is in it, and every other label of it once.
 *
 * Spec: https://hl7.org/fhir/R4/security-labels.html (a Bundle carries the labels of its content)
 */
import type { Coding } from '../../base/resource.js';
import { CONFIDENTIALITY, canonicalSystem, confidentialityLevel, NORMAL } from '../../consent/hierarchies.js';

const levels = ['U', 'L', 'M', 'N', 'R', 'V'];

/**
 * @param contents the labels of each resource in the Bundle; one without a Confidentiality label counts as N.
 * @returns undefined when none of them has a label.
 */
export function highWaterMark(contents: readonly (readonly Coding[])[]): { security: Coding[] } | undefined {
  if (!contents.some(({ length }) => length > 0)) return undefined;
  const others = new Map<string, Coding>();
  let highest: number | undefined;
  let hasLevel = false;
  for (const labels of contents) {
    let own: number | undefined;
    for (const label of labels) {
      const level = levelOf(label);
      if (level === undefined) others.set(`${label.system ?? ''}|${label.code ?? ''}`, label);
      else own = Math.max(own ?? 0, level);
    }
    hasLevel ||= own !== undefined;
    highest = Math.max(highest ?? 0, own ?? NORMAL);
  }
  const mark = hasLevel ? [{ system: CONFIDENTIALITY, code: levels[highest ?? NORMAL] }] : [];
  return { security: [...mark, ...others.values()] };
}

function levelOf({ system, code }: Coding): number | undefined {
  if (system === undefined || canonicalSystem(system) !== CONFIDENTIALITY) return undefined;
  return code === undefined ? undefined : confidentialityLevel(code);
}
