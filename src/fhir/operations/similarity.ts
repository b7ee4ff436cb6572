/** Likeness of two names: Jaro's measure with Winkler's weight for a common beginning. */

const longestPrefix = 4;
const prefixWeight = 0.1;

/** 0 (nothing in common) to 1 (equal). */
export function similarity(one: string, other: string): number {
  if (one === other) return 1;
  const jaro = jaroOf(one, other);
  let prefix = 0;
  while (prefix < longestPrefix && prefix < one.length && one[prefix] === other[prefix]) prefix += 1;
  return jaro + prefix * prefixWeight * (1 - jaro);
}

function jaroOf(one: string, other: string): number {
  const reach = Math.max(Math.floor(Math.max(one.length, other.length) / 2) - 1, 0);
  const taken = new Set<number>();
  const common: string[] = [];
  for (let at = 0; at < one.length; at += 1) {
    for (let to = Math.max(0, at - reach); to < Math.min(other.length, at + reach + 1); to += 1) {
      if (taken.has(to) || one[at] !== other[to]) continue;
      taken.add(to);
      common.push(one[at]);
      break;
    }
  }
  if (common.length === 0) return 0;
  const inOther = [...taken].sort((a, b) => a - b).map((to) => other[to]);
  const swapped = common.filter((character, index) => character !== inOther[index]).length / 2;
  return (common.length / one.length + common.length / other.length + (common.length - swapped) / common.length) / 3;
}
