/** Changes to FHIR JSON that keep a primitive, its `_` sibling and its exact number text together. */
import { EXACT, keepNumberText } from '../../base/exact-numbers.js';

/** A value to put into a tree; without `value` and `sibling` it means nothing. */
export interface Valued {
  /** Type name, empty when it is not known. */
  readonly type: string;
  readonly value?: unknown;
  /** Id and extensions of a primitive. */
  readonly sibling?: object;
  /** Exact text of a number. */
  readonly text?: string;
}

type Members = Record<string, unknown> & { [EXACT]?: Record<string, string> };

/** Sets (or, for nothing, takes away) a member that is no list. */
export function setMember(
  parent: Record<string, unknown>,
  key: string,
  { value, sibling, text }: Omit<Valued, 'type'>,
): void {
  const members = parent as Members;
  if (members[EXACT] !== undefined) delete members[EXACT][key];
  if (value === undefined) delete members[key];
  else members[key] = value;
  if (sibling === undefined) delete members[`_${key}`];
  else members[`_${key}`] = sibling;
  if (text !== undefined) keepNumberText(members, key, text);
}

/** Inserts into a list, which is made when it is missing. */
export function insertAt(
  parent: Record<string, unknown>,
  key: string,
  index: number,
  { value, sibling }: Omit<Valued, 'type'>,
): void {
  const list = (parent[key] ??= []) as unknown[];
  const siblings = parent[`_${key}`] as (object | null)[] | undefined;
  if (siblings !== undefined) {
    while (siblings.length < list.length) siblings.push(null);
    siblings.splice(index, 0, sibling ?? null);
  } else if (sibling !== undefined) {
    parent[`_${key}`] = Array.from({ length: list.length + 1 }, (_, at) => (at === index ? sibling : null));
  }
  list.splice(index, 0, value ?? null);
}

/** Takes an item out of a list; an empty list goes unless `keepEmpty`. @returns what was there. */
export function removeAt(
  parent: Record<string, unknown>,
  key: string,
  index: number,
  keepEmpty = false,
): Omit<Valued, 'type'> {
  const list = parent[key] as unknown[];
  const siblings = parent[`_${key}`] as (object | null)[] | undefined;
  const [value] = list.splice(index, 1);
  const sibling = siblings?.splice(index, 1)[0] ?? undefined;
  if (siblings?.every((item) => item === null)) delete parent[`_${key}`];
  if (list.length === 0 && !keepEmpty) delete parent[key];
  return { value, ...(sibling == null ? {} : { sibling }) };
}

/** Takes away elements that have nothing left: FHIR knows no empty objects. @returns true when `node` itself is empty. */
export function dropEmpty(node: object): boolean {
  for (const key of Object.keys(node)) {
    const value = (node as Record<string, unknown>)[key];
    if (typeof value !== 'object' || value === null) continue;
    if (Array.isArray(value)) {
      if (value.length > 0)
        value.forEach((item: unknown) => typeof item === 'object' && item !== null && dropEmpty(item));
      else delete (node as Record<string, unknown>)[key];
    } else if (dropEmpty(value)) {
      delete (node as Record<string, unknown>)[key];
    }
  }
  return Object.keys(node).length === 0;
}
