/** How long a backtracking matcher can take, told from the expression alone. */
import type { CharSet, RegexNode } from './syntax.js';

/** More positions than this are not analysed. */
const mostPositions = 500;

/**
 * Degree of the polynomial in the length of the text that bounds the time of a backtracking matcher; Infinity when no such bound is known.
 *
 * An expression in which every character has only one place to go (strongly one-unambiguous, by Glushkov's construction) is linear from a
 * given start. Without nested repetition each unbounded repetition adds one degree. Everything else counts as exponential. Starting
 * anywhere in the text adds one degree.
 */
export function backtrackingDegree(node: RegexNode): number {
  const analysis = new Analysis();
  const ends = analysis.visit(node);
  const anywhere = startsAnchored(node) ? 0 : 1;
  if (ends && analysis.isDeterministic(ends.first)) return 1 + anywhere;
  const loops = flatLoops(node, false);
  return loops === undefined ? Infinity : Math.max(loops, 1) + anywhere;
}

function startsAnchored(node: RegexNode): boolean {
  if (node.kind === 'start') return true;
  if (node.kind === 'choice') return node.parts.every(startsAnchored);
  return node.kind === 'sequence' && node.parts.length > 0 && startsAnchored(node.parts[0]);
}

/** The number of repetitions; undefined when one stands inside another, or a choice inside one: that can be exponential. */
function flatLoops(node: RegexNode, inside: boolean): number | undefined {
  switch (node.kind) {
    case 'sequence':
    case 'choice': {
      if (inside && node.kind === 'choice') return undefined;
      let sum = 0;
      for (const part of node.parts) {
        const loops = flatLoops(part, inside);
        if (loops === undefined) return undefined;
        sum += loops;
      }
      return sum;
    }
    case 'repeat': {
      if (node.most <= 1) return inside ? undefined : flatLoops(node.body, inside);
      if (inside) return undefined;
      const inner = flatLoops(node.body, true);
      return inner === undefined ? undefined : 1;
    }
    case 'look':
      return flatLoops(node.body, inside);
    case 'reference':
      return undefined;
    case 'set':
    case 'start':
    case 'end':
    case 'boundary':
    case 'no-boundary':
      return 0;
  }
}

interface Ends {
  readonly nullable: boolean;
  readonly first: readonly number[];
  readonly last: readonly number[];
}

const nowhere: Ends = { nullable: true, first: [], last: [] };

/** Glushkov's positions: which character of the expression can follow which. */
class Analysis {
  private readonly sets: CharSet[] = [];
  private readonly follow: Set<number>[] = [];
  private ambiguous = false;

  /** @returns undefined when there are too many positions. */
  visit(node: RegexNode): Ends | undefined {
    if (this.sets.length > mostPositions) return undefined;
    switch (node.kind) {
      case 'set':
        this.sets.push(node.set);
        this.follow.push(new Set());
        return { nullable: false, first: [this.sets.length - 1], last: [this.sets.length - 1] };
      case 'sequence':
        return node.parts.reduce<Ends | undefined>((before, part) => {
          const next = before && this.visit(part);
          return before && next && this.joined(before, next);
        }, nowhere);
      case 'choice': {
        const ends = node.parts.map((part) => this.visit(part));
        if (ends.some((one) => one === undefined)) return undefined;
        const all = ends as Ends[];
        if (all.filter((one) => one.nullable).length > 1) this.ambiguous = true;
        return {
          nullable: all.some((one) => one.nullable),
          first: all.flatMap((one) => one.first),
          last: all.flatMap((one) => one.last),
        };
      }
      case 'repeat': {
        const body = this.visit(node.body);
        if (!body) return undefined;
        if (node.most > 1) {
          // An empty round, or an inner repetition that goes on where the outer one starts again: two ways to read one text.
          if (body.nullable) this.ambiguous = true;
          this.connect(body.last, body.first);
        }
        return { ...body, nullable: body.nullable || node.least === 0 };
      }
      case 'look':
        // Its own text may be read again by what follows, but it is matched once at each place.
        return this.visit(node.body) && nowhere;
      case 'reference':
        this.ambiguous = true;
        return nowhere;
      case 'start':
      case 'end':
      case 'boundary':
      case 'no-boundary':
        return nowhere;
    }
  }

  isDeterministic(first: readonly number[]): boolean {
    return !this.ambiguous && this.areDisjoint(first) && this.follow.every((next) => this.areDisjoint([...next]));
  }

  private joined(a: Ends, b: Ends): Ends {
    this.connect(a.last, b.first);
    return {
      nullable: a.nullable && b.nullable,
      first: a.nullable ? [...a.first, ...b.first] : a.first,
      last: b.nullable ? [...a.last, ...b.last] : b.last,
    };
  }

  private connect(from: readonly number[], to: readonly number[]): void {
    for (const position of from) {
      for (const next of to) {
        if (this.follow[position].has(next)) this.ambiguous = true;
        this.follow[position].add(next);
      }
    }
  }

  private areDisjoint(positions: readonly number[]): boolean {
    const seen = new Uint8Array(128);
    let wide = false;
    for (const position of positions) {
      const set = this.sets[position];
      if (set.wide && wide) return false;
      wide ||= set.wide;
      for (let code = 0; code < 128; code += 1) {
        if (set.ascii[code] === 0) continue;
        if (seen[code] === 1) return false;
        seen[code] = 1;
      }
    }
    return true;
  }
}
