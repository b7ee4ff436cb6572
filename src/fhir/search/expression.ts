/**
 * Expressions of search parameters, compiled to fast selections.
 *
 * Nearly all are unions of simple paths (`Patient.name.family`, `(Observation.value as Quantity)`,
 * `Encounter.subject.where(resolve() is Patient)`); those are compiled here to walks over JSON keys with static types. What is not simple
 * goes to the FHIRPath engine. Spec: https://hl7.org/fhir/R4/searchparameter.html (expression)
 */
import type { FhirModel, TypeInfo } from '../fhirpath/model.js';
import { compileFhirPath } from '../fhirpath/fhirpath.js';
import { targetTypeOf } from './reference-text.js';
import { EXACT } from '../../base/exact-numbers.js';

/** A value that an expression selects: its JSON and its FHIR type name. */
export interface Selected {
  readonly value: unknown;
  readonly type: string;
  /** Number text as written, where JavaScript would print it otherwise. */
  readonly text?: string;
}

/** One path of a union. Paths with equal `key` select the same elements, whichever parameter they stand in. */
export interface Selection {
  /** Canonical text, such as `Observation.value.as(Quantity)`: the identity of the index entries made from it. */
  readonly key: string;
  /** Only references to resources of this type count. */
  readonly targetType?: string;
  /** FHIR types that it can select, as far as known; empty when only evaluation tells. */
  readonly types: readonly string[];
  /** At most one value in a resource. */
  readonly isSingle: boolean;
  /** Path of the last element, without filters: finds the binding. */
  readonly elementPath?: string;
  select(resource: object): Selected[];
  /** Like `select`, but references to any type count. */
  selectAll(resource: object): Selected[];
}

interface Step {
  readonly name: string;
  /** `.as(T)`. */
  readonly as?: string;
  /** `.where(name='value')`. */
  readonly where?: readonly [name: string, value: string];
  readonly index?: number;
}

interface Path {
  readonly steps: readonly Step[];
  readonly targetType?: string;
}

/**
 * The paths of `expression` that can select something in resources of `type`.
 * @param expression FHIRPath, absolute (`Patient.name`) or relative to the resource.
 * @throws FhirPathError when a part is not FHIRPath.
 */
export function selectionsOf(expression: string, type: string, model: FhirModel): Selection[] {
  const selections: Selection[] = [];
  for (const part of splitUnion(expression)) {
    const head = /^\(*\s*([A-Z][A-Za-z]*)\b/.exec(part)?.[1];
    const abstract = head === 'Resource' || head === 'DomainResource';
    if (head !== undefined && head !== type && !abstract && model.type(head) !== undefined) continue;
    selections.push(selectionOf(part, head === undefined ? type : head, type, model));
  }
  return selections.filter((one, index) => selections.findIndex((other) => sameSelection(one, other)) === index);
}

/** `relative` below every element that `base` selects, for the components of a composite. */
export function selectionsBelow(base: string, relative: string, type: string, model: FhirModel): Selection[] {
  return splitUnion(relative).flatMap((part) => {
    const text = part.startsWith('(') ? part.slice(1, -1) : part;
    if (text.startsWith('%resource.')) return selectionsOf(text.replace('%resource', type), type, model);
    return selectionsOf(text === '$this' ? base : `${base}.${text.replace(/ as (\w+)$/, '.as($1)')}`, type, model);
  });
}

/** True when both stand for the same index entries, read the same way. */
function sameSelection(one: Selection, other: Selection): boolean {
  return one.key === other.key && one.targetType === other.targetType;
}

/** The operands of the outermost `|`. */
export function splitUnion(expression: string): string[] {
  const parts: string[] = [];
  let depth = 0;
  let quoted = false;
  let start = 0;
  for (let at = 0; at < expression.length; at += 1) {
    const character = expression[at];
    if (character === "'" && expression[at - 1] !== '\\') quoted = !quoted;
    else if (quoted) continue;
    else if (character === '(') depth += 1;
    else if (character === ')') depth -= 1;
    else if (character === '|' && depth === 0) {
      parts.push(expression.slice(start, at));
      start = at + 1;
    }
  }
  parts.push(expression.slice(start));
  const trimmed = parts.map((part) => part.trim()).filter((part) => part !== '');
  if (trimmed.length === 1 && /^\(.*\|.*\)$/.test(trimmed[0]) && closesAtEnd(trimmed[0])) {
    return splitUnion(trimmed[0].slice(1, -1));
  }
  return trimmed;
}

function closesAtEnd(text: string): boolean {
  let depth = 0;
  for (let at = 0; at < text.length; at += 1) {
    if (text[at] === '(') depth += 1;
    else if (text[at] === ')' && --depth === 0) return at === text.length - 1;
  }
  return false;
}

function selectionOf(part: string, root: string, type: string, model: FhirModel): Selection {
  const path = parsePath(part, root);
  const rootType = model.type(root === 'DomainResource' ? 'DomainResource' : root) ?? model.type(type);
  const walks = path && rootType ? walksOf(rootType, path.steps) : undefined;
  if (!path || !walks || walks.length === 0) return engineSelection(part, type, model);
  const { targetType } = path;
  const selectAll = (resource: object) => {
    const found: Selected[] = [];
    for (const walk of walks) descend(resource, walk, 0, found);
    return found;
  };
  return {
    key: keyOf(root, path.steps),
    ...(targetType ? { targetType } : {}),
    types: [...new Set(walks.map((walk) => walk.type))],
    isSingle: walks.every((walk) => walk.isSingle),
    elementPath: [root, ...path.steps.map((step) => step.name)].join('.'),
    selectAll,
    select: targetType
      ? (resource) => selectAll(resource).filter((one) => targetTypeOf(one.value) === targetType)
      : selectAll,
  };
}

/** `A.b.c`, `(A.b as T)`, `A.b.as(T).c`, `A.b.where(x='y')`, `A.b[0]`, a last `.where(resolve() is T)`; undefined for anything else. */
function parsePath(part: string, root: string): Path | undefined {
  let text = part.trim();
  while (text.startsWith('(') && closesAtEnd(text)) text = text.slice(1, -1).trim();
  const cast = /^\(?([\w.]+) as (\w+)\)?((?:\.\w+)*)$/.exec(text);
  if (cast) text = `${cast[1]}.as(${cast[2]})${cast[3]}`;
  if (text.startsWith(`${root}.`)) text = text.slice(root.length + 1);
  const steps: Step[] = [];
  let targetType: string | undefined;
  const form =
    /\.?(?:as\((\w+)\)|where\(\s*resolve\(\) is (\w+)\s*\)|where\(\s*(\w+)\s*=\s*'([^']*)'\s*\)|([a-z]\w*)(?![\w(])(?:\[(\d+)\])?)/y;
  while (form.lastIndex < text.length) {
    if (targetType !== undefined) return undefined;
    const match = form.exec(text);
    if (!match) return undefined;
    const [, as, target, name, value, child, index] = match;
    const last = steps.length - 1;
    if (target !== undefined) targetType = target;
    else if (child !== undefined) steps.push({ name: child, ...(index ? { index: Number(index) } : {}) });
    else if (last < 0) return undefined;
    else if (as !== undefined) steps[last] = { ...steps[last], as };
    else steps[last] = { ...steps[last], where: [name, value] };
  }
  return steps.length > 0 ? { steps, ...(targetType ? { targetType } : {}) } : undefined;
}

function keyOf(root: string, steps: readonly Step[]): string {
  let key = root;
  for (const { name, as, where, index } of steps) {
    key += `.${name}`;
    if (as) key += `.as(${as})`;
    if (where) key += `.where(${where[0]}='${where[1]}')`;
    if (index !== undefined) key += `[${index}]`;
  }
  return key;
}

/** One way down the JSON, with the type that lies at its end. */
interface Walk {
  readonly keys: readonly string[];
  readonly filters: readonly (Pick<Step, 'where' | 'index'> | undefined)[];
  readonly type: string;
  readonly isSingle: boolean;
}

/** Every combination of choice types; undefined when an element is unknown. */
function walksOf(root: TypeInfo, steps: readonly Step[]): Walk[] | undefined {
  interface Partial extends Omit<Walk, 'type'> {
    readonly info: TypeInfo;
  }
  let walks: Partial[] = [{ keys: [], filters: [], info: root, isSingle: true }];
  for (const step of steps) {
    const next: Partial[] = [];
    for (const walk of walks) {
      const [element, onlyKey] = childOf(walk.info, step.name);
      for (const variant of element?.variants ?? []) {
        if (onlyKey !== undefined && variant.key !== onlyKey) continue;
        if (step.as !== undefined && variant.type.name !== step.as && variant.type.typeName !== step.as) continue;
        next.push({
          keys: [...walk.keys, variant.key],
          filters: [...walk.filters, step.where || step.index !== undefined ? step : undefined],
          info: variant.type,
          isSingle: walk.isSingle && (!element?.repeats || step.index !== undefined),
        });
      }
    }
    walks = next;
  }
  return walks.map(({ info, ...walk }) => ({ ...walk, type: info.name }));
}

/** The element called `name`; also one that is written with its type, as in `extension.valueDateTime`. */
function childOf(type: TypeInfo, name: string) {
  for (let info: TypeInfo | undefined = type; info; info = info.base) {
    const element = info.elements.get(name);
    if (element) return [element, undefined] as const;
    for (const choice of info.elements.values()) {
      if (choice.variants.length > 1 && choice.variants.some((variant) => variant.key === name)) {
        return [choice, name] as const;
      }
    }
  }
  return [undefined, undefined] as const;
}

function descend(node: object, walk: Walk, depth: number, found: Selected[]): void {
  const key = walk.keys[depth];
  const child = (node as Record<string, unknown>)[key];
  if (child === undefined || child === null) return;
  const filter = walk.filters[depth];
  if (!Array.isArray(child)) {
    if (!filter?.index) visit(child, node, key, filter, walk, depth, found);
    return;
  }
  for (let index = 0; index < child.length; index += 1) {
    if (filter?.index !== undefined && index !== filter.index) continue;
    if (child[index] !== null) visit(child[index], child, index, filter, walk, depth, found);
  }
}

function visit(
  child: unknown,
  holder: object,
  key: string | number,
  filter: Pick<Step, 'where'> | undefined,
  walk: Walk,
  depth: number,
  found: Selected[],
): void {
  if (filter?.where && (child as Record<string, unknown>)[filter.where[0]] !== filter.where[1]) return;
  if (depth + 1 < walk.keys.length) {
    if (typeof child === 'object') descend(child as object, walk, depth + 1, found);
    return;
  }
  const text = typeof child === 'number' ? (holder as { [EXACT]?: Record<string, string> })[EXACT]?.[key] : undefined;
  found.push(text === undefined ? { value: child, type: walk.type } : { value: child, type: walk.type, text });
}

function engineSelection(part: string, type: string, model: FhirModel): Selection {
  const compiled = compileFhirPath(part, model);
  const key = part.replace(/\s+/g, ' ').trim();
  const select = (resource: object) =>
    compiled
      .values(resource, { resource, rootResource: resource, resolve: stubOf } as never)
      .map(({ value, type: found }) => ({ value, type: found }));
  return { key: key.startsWith(type) ? key : `${type}:${key}`, types: [], isSingle: false, select, selectAll: select };
}

/** Enough of a resource for `resolve() is Type`: references say the type of their target. */
function stubOf(reference: string): object | undefined {
  const resourceType = targetTypeOf({ reference });
  return resourceType === undefined ? undefined : { resourceType };
}
