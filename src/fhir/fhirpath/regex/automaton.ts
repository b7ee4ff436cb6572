/**
 * A matcher whose time is the length of the text times the size of the expression, whatever both are.
 *
 * All states that can be reached are followed at once (Thompson 1968), so nothing is tried twice.
 */
import type { CharSet, RegexNode } from './syntax.js';

type Instruction =
  | { readonly op: 'char'; readonly set: CharSet; readonly wide: RegExp }
  | { readonly op: 'jump'; readonly to: number[] }
  | { readonly op: 'start' | 'end' | 'boundary' | 'no-boundary' }
  | { readonly op: 'match' };

const mostInstructions = 20_000;
const wordChar = /\w/;

export class Automaton {
  private constructor(
    private readonly program: readonly Instruction[],
    private readonly unicode: boolean,
  ) {}

  /** @returns undefined for lookarounds and back references, and when counted repetitions make it too large. */
  static of(node: RegexNode, unicode: boolean): Automaton | undefined {
    const program: Instruction[] = [];
    if (!emit(node, program, unicode ? 'su' : 's')) return undefined;
    program.push({ op: 'match' });
    return new Automaton(program, unicode);
  }

  /** @param whole the match must be the whole text; else any part of it. */
  test(text: string, whole: boolean): boolean {
    const { program, unicode } = this;
    let current = new States(program.length);
    let next = new States(program.length);
    for (let at = 0; ;) {
      if (at === 0 || !whole) this.add(current, 0, text, at);
      if (current.matched && (!whole || at === text.length)) return true;
      if (at >= text.length || (whole && current.size === 0)) return false;
      const code = unicode ? text.codePointAt(at)! : text.charCodeAt(at);
      const width = code > 0xffff ? 2 : 1;
      next.clear();
      for (let i = 0; i < current.size; i += 1) {
        const instruction = program[current.list[i]];
        if (instruction.op !== 'char') continue;
        const hit =
          code < 128
            ? instruction.set.ascii[code] === 1
            : instruction.set.wide && instruction.wide.test(String.fromCodePoint(code));
        if (hit) this.add(next, current.list[i] + 1, text, at + width);
      }
      [current, next] = [next, current];
      at += width;
    }
  }

  /** Adds a state and all that it reaches without reading. */
  private add(states: States, start: number, text: string, at: number): void {
    const pending = [start];
    while (pending.length > 0) {
      const index = pending.pop()!;
      if (!states.add(index)) continue;
      const instruction = this.program[index];
      switch (instruction.op) {
        case 'jump':
          pending.push(...instruction.to);
          break;
        case 'start':
          if (at === 0) pending.push(index + 1);
          break;
        case 'end':
          if (at === text.length) pending.push(index + 1);
          break;
        case 'boundary':
        case 'no-boundary': {
          const edge = wordChar.test(text[at - 1] ?? '') !== wordChar.test(text[at] ?? '');
          if (edge === (instruction.op === 'boundary')) pending.push(index + 1);
          break;
        }
        case 'match':
          states.matched = true;
          break;
        case 'char':
          break;
      }
    }
  }
}

/** A set of instruction numbers, cleared in no time. */
class States {
  size = 0;
  matched = false;
  readonly list: Uint32Array;
  private readonly marks: Uint32Array;
  private round = 1;

  constructor(count: number) {
    this.list = new Uint32Array(count);
    this.marks = new Uint32Array(count);
  }

  add(index: number): boolean {
    if (this.marks[index] === this.round) return false;
    this.marks[index] = this.round;
    this.list[this.size] = index;
    this.size += 1;
    return true;
  }

  clear(): void {
    this.size = 0;
    this.matched = false;
    this.round += 1;
  }
}

/** Appends the instructions of a node; they end by falling through. @returns false when it cannot be done. */
function emit(node: RegexNode, program: Instruction[], flags: string): boolean {
  if (program.length > mostInstructions) return false;
  switch (node.kind) {
    case 'set':
      program.push({ op: 'char', set: node.set, wide: new RegExp(`^(?:${node.set.source})$`, flags) });
      return true;
    case 'sequence':
      return node.parts.every((part) => emit(part, program, flags));
    case 'choice':
      return emitChoice(node.parts, program, flags);
    case 'repeat':
      return emitRepeat(node, program, flags);
    case 'look':
    case 'reference':
      return false;
    case 'start':
    case 'end':
    case 'boundary':
    case 'no-boundary':
      program.push({ op: node.kind });
      return true;
  }
}

function emitChoice(parts: readonly RegexNode[], program: Instruction[], flags: string): boolean {
  const fork = { op: 'jump' as const, to: [] as number[] };
  const exits: { op: 'jump'; to: number[] }[] = [];
  program.push(fork);
  for (const part of parts) {
    fork.to.push(program.length);
    if (!emit(part, program, flags)) return false;
    const exit = { op: 'jump' as const, to: [] as number[] };
    exits.push(exit);
    program.push(exit);
  }
  for (const exit of exits) exit.to.push(program.length);
  return true;
}

function emitRepeat(
  { body, least, most }: Extract<RegexNode, { kind: 'repeat' }>,
  program: Instruction[],
  flags: string,
): boolean {
  for (let i = 0; i < least; i += 1) if (!emit(body, program, flags)) return false;
  if (most === Infinity) {
    const fork = { op: 'jump' as const, to: [program.length + 1] };
    const back = program.length;
    program.push(fork);
    if (!emit(body, program, flags)) return false;
    program.push({ op: 'jump', to: [back] });
    fork.to.push(program.length);
    return true;
  }
  const forks: { op: 'jump'; to: number[] }[] = [];
  for (let i = least; i < most; i += 1) {
    const fork = { op: 'jump' as const, to: [program.length + 1] };
    forks.push(fork);
    program.push(fork);
    if (!emit(body, program, flags)) return false;
  }
  for (const fork of forks) fork.to.push(program.length);
  return true;
}
