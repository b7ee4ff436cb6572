/** Random changes of JSON, the same for the same seed. */

/** A pseudo-random number generator (mulberry32): values in [0, 1). */
export function randomOf(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4294967296;
  };
}

type Holder = Record<string | number, unknown>;

const oddTexts = [
  '',
  ' ',
  'x',
  '2020-13-41',
  '2020-01-01T00:00:00Z',
  '#',
  '#x',
  'Patient/1',
  'Patient?a=b',
  'urn:uuid:zz',
  'http://x.org/y|1',
  '<div xmlns="http://www.w3.org/1999/xhtml"><p>&amp;<b>x</p></div>',
  '\u0000\ud800',
  '(((((((((((((((((((((',
  'a'.repeat(5000),
  `${' '.repeat(3000)}!`,
  '1'.repeat(400),
];
const oddValues: readonly unknown[] = [
  null,
  true,
  false,
  0,
  -1,
  1.5,
  1e300,
  'x',
  [],
  {},
  [[]],
  [null],
  { a: { b: [1] } },
  { resourceType: 'X' },
];

/** A copy of `value` with one to four changes: removals, swaps, moved subtrees, odd values, odd keys, other shapes. */
export function mutated(value: unknown, random: () => number): unknown {
  const copy = { root: structuredClone(value) } as Holder;
  const changes = 1 + Math.floor(random() * 4);
  for (let change = 0; change < changes; change += 1) mutateOnce(copy, random);
  return copy.root;
}

function mutateOnce(root: Holder, random: () => number): void {
  const places: [Holder, string | number][] = [];
  collect(root, places);
  const pick = <T>(items: readonly T[]): T => items[Math.floor(random() * items.length)];
  const [holder, key] = pick(places);
  const [other, otherKey] = pick(places);
  switch (Math.floor(random() * 9)) {
    case 0:
      if (holder !== root) delete holder[key];
      break;
    case 1:
      holder[key] = pick(oddTexts);
      break;
    case 2:
      holder[key] = structuredClone(pick(oddValues));
      break;
    case 3:
      holder[key] = [structuredClone(holder[key])];
      break;
    case 4:
      holder[key] = structuredClone(other[otherKey]);
      break;
    case 5:
      if (holder !== root)
        holder[pick(['_', '__proto__x', 'extension', 'contained', 'valueQuantity', 'id', 'resourceType'])] =
          structuredClone(other[otherKey]);
      break;
    case 6:
      if (Array.isArray(holder[key])) (holder[key] as unknown[]).push(structuredClone(pick(oddValues)));
      break;
    case 7:
      holder[`_${key}`] = structuredClone(pick(oddValues));
      break;
    default:
      holder[key] = {
        reference: pick(oddTexts),
        coding: structuredClone(pick(oddValues)),
        url: pick(oddTexts),
        value: structuredClone(other[otherKey]),
      };
  }
}

function collect(holder: Holder, places: [Holder, string | number][]): void {
  if (places.length > 4000) return;
  for (const key of Object.keys(holder)) {
    places.push([holder, key]);
    const value = holder[key];
    if (typeof value === 'object' && value !== null) collect(value as Holder, places);
  }
}
