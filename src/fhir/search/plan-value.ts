/** Values of parameters to bounds: each kind of search on the elements that a parameter selects. */
import { termText } from './blind.js';
import { and, exactly, nothing, or, planAnd, upTo, type Bounds } from './bounds.js';
import type { ParameterCondition, Value } from './condition.js';
import { planDate, type DateElement } from './date.js';
import type { Selection } from './expression.js';
import { impliedSystems, isPlainToken } from './implied.js';
import { planNear } from './near.js';
import { planNumber } from './number.js';
import type { Component, Parameter, SearchType } from './parameters.js';
import { targetTypesOf } from './parse.js';
import { soundsOf } from './phonetic.js';
import type { Planning } from './plan-of.js';
import { planQuantity } from './quantity.js';
import { planReference } from './reference.js';
import { planPresent, sourceKey } from './sources.js';
import { planContains, planExact, planStartsWith } from './string.js';
import { wordsOf } from './text.js';
import { isWordFound, ofTypeText, planToken, wordText } from './token.js';
import { planAbove, planBelow, planUri } from './uri.js';

/** The value under any of the selections. */
export function planSelections(
  planning: Planning,
  parameter: Parameter,
  type: SearchType,
  selections: readonly Selection[],
  value: Value,
  modifier?: ParameterCondition['modifier'],
): Bounds {
  const parts = selections.map((selection) => planValue(planning, parameter, type, selection, value, modifier));
  return or(...parts, nothing);
}

function planValue(
  planning: Planning,
  parameter: Parameter,
  type: SearchType,
  selection: Selection,
  value: Value,
  modifier: ParameterCondition['modifier'],
): Bounds {
  const { context } = planning;
  const { blinder, clock } = context;
  const key = sourceKey(selection, type);
  const present = () => planPresent(blinder, selection, type);
  /** Every resource that has a value is opened and checked. */
  const open = () => upTo(present().may);
  switch (value.kind) {
    case 'token': {
      if (modifier === 'identifier')
        return planToken(blinder, `${key}.identifier`, value, false, true, undefined, open);
      const isPlain = isPlainToken(selection);
      const isIdentifier = selection.types.length === 1 && selection.types[0] === 'Identifier';
      return planToken(blinder, key, value, isPlain, isIdentifier, impliedSystems(context.parameters, selection), open);
    }
    case 'of-type':
      return exactly({ kind: 'term', term: blinder.term(ofTypeText(key, value.system, value.code, value.value)) });
    case 'string':
      if (modifier === 'text') return planDisplay(planning, key, value.text, open);
      if (parameter.code === 'phonetic') return planSounds(planning, key, value.text);
      if (modifier === 'exact') return planExact(blinder, key, value.text);
      if (modifier === 'contains' || modifier === 'ends-with') return planContains(blinder, key, value.text) ?? open();
      if (modifier === 'equals') return upTo(planStartsWith(blinder, key, value.text).may);
      return value.text.trim() === '' ? present() : planStartsWith(blinder, key, value.text);
    case 'uri':
      if (modifier === 'below') return planBelow(blinder, key, value.text) ?? open();
      if (modifier === 'above') return planAbove(blinder, key, value.text);
      return modifier === undefined ? planUri(blinder, key, value.text) : open();
    case 'reference': {
      const { targetType } = selection;
      if (targetType !== undefined && value.type !== undefined && value.type !== targetType) return nothing;
      return planReference(
        blinder,
        key,
        value,
        targetType === undefined ? targetTypesOf(context, parameter) : [targetType],
      );
    }
    case 'date':
      // Only `ap` asks for the time: a plan that asked for it is not kept (remembered.ts).
      return planDate(blinder, dateElement(selection), value, value.comparator === 'ap' ? clock.now() : 0);
    case 'number':
      return planNumber(blinder, key, value);
    case 'quantity':
      return planQuantity(blinder, key, selection.isSingle, value);
    case 'near':
      return planNear(blinder, key, value);
    case 'composite':
      return nothing;
  }
}

const pointTypes = new Set(['date', 'dateTime', 'instant']);

/** What planning dates needs to know of a selection. */
export function dateElement(selection: Selection): DateElement {
  const { types, isSingle } = selection;
  const isPoint = types.length > 0 && types.every((type) => pointTypes.has(type));
  return { key: sourceKey(selection, 'date'), isSingle, isPoint };
}

/** Components on the resource itself always occur together; below that they may lie in different elements: opened and checked. */
export function planComposite(planning: Planning, parameter: Parameter, parts: readonly Value[]): Bounds {
  const composites = parameter.composites.map(({ components, isRoot }) => {
    const all = and(
      ...components.map((component, index) => planComponent(planning, parameter, component, parts[index])),
    );
    return isRoot ? all : upTo(all.may);
  });
  return or(...composites, nothing);
}

function planComponent(planning: Planning, parameter: Parameter, component: Component, value: Value): Bounds {
  return planSelections(planning, { ...parameter, targets: [] }, component.type, component.selections, value);
}

/** Every word of `text` begins a word of a display. */
function planDisplay({ context }: Planning, key: string, text: string, open: () => Bounds): Bounds {
  const words = wordsOf(text).filter(isWordFound);
  if (words.length === 0) return open();
  return upTo(planAnd(words.map((word) => ({ kind: 'term', term: context.blinder.term(wordText(key, word)) }))));
}

function planSounds({ context }: Planning, key: string, text: string): Bounds {
  const terms = soundsOf(text).map((sound) => context.blinder.term(termText(key, 'z', sound)));
  if (terms.length === 0) return nothing;
  const plan = planAnd(terms.map((term) => ({ kind: 'term', term })));
  return terms.length === 1 ? exactly(plan) : upTo(plan);
}
