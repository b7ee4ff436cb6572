/** The calendar (UTC) as a tree: eras of 20 years, years, months, days, hours, minutes, seconds. */

export interface CalendarNode {
  /** Unique among all nodes: `E2000`, `2013`, `2013-03`, ... `2013-03-14T10:05:23`. */
  readonly text: string;
  /** [start, end) in milliseconds since 1970; the first and the last era have no outer end. */
  readonly start: number;
  readonly end: number;
  /** Not divided further: a second, or one of the outermost eras. */
  readonly isLeaf: boolean;
}

const firstYear = 1800;
const lastYear = 2199;
const yearsOfEra = 20;
const isoLengths = [4, 7, 10, 13, 16, 19] as const;
const unitMs = { hour: 3_600_000, minute: 60_000, second: 1000 } as const;

/** Milliseconds since 1970 of the first instant of a year (0 to 9999) or month (0 to 11). */
export function startOf(year: number, month = 0, day = 1): number {
  return year >= 100 ? Date.UTC(year, month, day) : new Date(0).setUTCFullYear(year, month, day);
}

const eras: readonly CalendarNode[] = [
  { text: 'E-', start: -Infinity, end: startOf(firstYear), isLeaf: true },
  ...Array.from({ length: (lastYear + 1 - firstYear) / yearsOfEra }, (_, index) =>
    eraNode(firstYear + index * yearsOfEra),
  ),
  { text: 'E+', start: startOf(lastYear + 1), end: Infinity, isLeaf: true },
];

function eraNode(year: number): CalendarNode {
  return { text: `E${year}`, start: startOf(year), end: startOf(year + yearsOfEra), isLeaf: false };
}

/** The nodes that hold the instant, from the era down to the second. */
export function nodesOf(time: number): CalendarNode[] {
  const year = new Date(time).getUTCFullYear();
  const era = eras[Math.min(Math.max(Math.floor((year - firstYear) / yearsOfEra) + 1, 0), eras.length - 1)];
  if (era.isLeaf) return [era];
  const iso = new Date(time).toISOString();
  return [era, ...isoLengths.map((_, level) => nodeAt(iso, level))];
}

function nodeAt(iso: string, level: number): CalendarNode {
  const text = iso.slice(0, isoLengths[level]);
  const year = Number(text.slice(0, 4));
  const month = level > 0 ? Number(text.slice(5, 7)) - 1 : 0;
  const isLeaf = level === 5;
  if (level === 0) return { text, start: startOf(year), end: startOf(year + 1), isLeaf };
  if (level === 1) return { text, start: startOf(year, month), end: startOf(year, month + 1), isLeaf };
  const day = startOf(year, month, Number(text.slice(8, 10)));
  if (level === 2) return { text, start: day, end: day + 24 * unitMs.hour, isLeaf };
  const hour = day + Number(text.slice(11, 13)) * unitMs.hour;
  if (level === 3) return { text, start: hour, end: hour + unitMs.hour, isLeaf };
  const minute = hour + Number(text.slice(14, 16)) * unitMs.minute;
  if (level === 4) return { text, start: minute, end: minute + unitMs.minute, isLeaf };
  const second = minute + Number(text.slice(17, 19)) * unitMs.second;
  return { text, start: second, end: second + unitMs.second, isLeaf };
}

/** Visits nodes from the eras down; the children of a node only where `visit` answers true. */
export function walkCalendar(visit: (node: CalendarNode) => boolean): void {
  for (const era of eras) if (visit(era) && !era.isLeaf) walkChildren(era, 0, visit);
}

function walkChildren(parent: CalendarNode, level: number, visit: (node: CalendarNode) => boolean): void {
  for (const node of childrenOf(parent, level)) {
    if (visit(node) && !node.isLeaf) walkChildren(node, level + 1, visit);
  }
}

/** Children that were asked for lately: searches ask for the same years and months. */
const children = new Map<string, readonly CalendarNode[]>();
const mostKept = 5000;

/** @param level of the children: 0 for years, ... 5 for seconds. */
function childrenOf(parent: CalendarNode, level: number): readonly CalendarNode[] {
  let found = children.get(parent.text);
  if (!found) {
    const nodes: CalendarNode[] = [];
    for (let at = parent.start; at < parent.end; at = nodes[nodes.length - 1].end) {
      nodes.push(nodeAt(new Date(at).toISOString(), level));
    }
    found = nodes;
    if (children.size >= mostKept) children.clear();
    children.set(parent.text, found);
  }
  return found;
}
