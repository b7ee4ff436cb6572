/** Elements whose code system is not written down but follows from their binding (`Observation.status`). */
import type { ElementDefinition, ValueSet } from '../definitions/types.js';
import type { Selection } from './expression.js';
import type { SearchParameters } from './parameters.js';
import { yesNo } from './token.js';

const plainTypes = new Set([
  'code',
  'boolean',
  'string',
  'uri',
  'url',
  'canonical',
  'id',
  'oid',
  'uuid',
  'markdown',
  'ContactPoint',
  'integer',
  'positiveInt',
  'date',
  'dateTime',
]);

/** True when the selected elements are codes, booleans or texts without a place for a system. */
export function isPlainToken({ types }: Selection): boolean {
  return types.length > 0 && types.every((type) => plainTypes.has(type));
}

const known = new WeakMap<Selection, ReadonlySet<string> | null>();

/**
 * The systems that the values of a plain element belong to: those of its binding, that of booleans, or none.
 * @returns undefined when there is no binding, or its value set is not at hand.
 */
export function impliedSystems(parameters: SearchParameters, selection: Selection): ReadonlySet<string> | undefined {
  let systems = known.get(selection);
  if (systems === undefined) {
    if (selection.types.includes('code')) systems = systemsOf(parameters, selection) ?? null;
    else systems = selection.types.includes('boolean') ? ofBooleans : noSystems;
    known.set(selection, systems);
  }
  return systems ?? undefined;
}

const noSystems: ReadonlySet<string> = new Set();
const ofBooleans: ReadonlySet<string> = new Set([yesNo]);

/** The systems that a single value of a plain type belongs to, as `impliedSystems`. */
export function systemsOfValue(parameters: SearchParameters, selections: readonly Selection[], type: string) {
  if (type.endsWith('oolean')) return ofBooleans;
  const selection = type === 'code' ? selections.find(({ types }) => types.includes('code')) : undefined;
  return selection ? impliedSystems(parameters, selection) : noSystems;
}

function systemsOf(parameters: SearchParameters, { elementPath }: Selection): ReadonlySet<string> | undefined {
  const element = elementPath === undefined ? undefined : elementAt(parameters, elementPath);
  const url = element?.binding?.valueSet;
  const valueSet = url === undefined ? undefined : parameters.definitions.valueSet(url);
  return valueSet && collect(parameters, valueSet, 0);
}

function elementAt({ definitions, model }: SearchParameters, path: string): ElementDefinition | undefined {
  const elements = (type: string) => definitions.structureDefinition(type)?.snapshot?.element ?? [];
  const steps = path.split('.');
  const whole = elements(steps[0]).find((element) => element.path === path || element.path === `${path}[x]`);
  if (whole) return whole;
  // The last elements lie inside a data type: find the type of the longest path, and go on there.
  let info = model.type(steps[0]);
  for (const step of steps.slice(1, -1)) info = info?.elements.get(step)?.variants[0]?.type;
  const last = `${info?.name}.${steps[steps.length - 1]}`;
  return (
    info && elements(info.name.split('.')[0]).find((element) => element.path === last || element.path === `${last}[x]`)
  );
}

function collect(parameters: SearchParameters, valueSet: ValueSet, depth: number): ReadonlySet<string> | undefined {
  const systems = new Set<string>();
  for (const { system, valueSet: imported } of valueSet.compose?.include ?? []) {
    if (system !== undefined) systems.add(system);
    for (const url of imported ?? []) {
      const found = depth < 5 ? parameters.definitions.valueSet(url) : undefined;
      const inner = found && collect(parameters, found, depth + 1);
      if (!inner) return undefined;
      for (const one of inner) systems.add(one);
    }
  }
  return systems.size > 0 ? systems : undefined;
}
