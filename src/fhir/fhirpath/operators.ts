/** Infix operators and polarity. Spec: https://hl7.org/fhirpath/N1/#operations */
import { add, concatenate, divide, divideWhole, multiply, negate, remainder } from './arithmetic.js';
import { booleanCode, emptyCode, onlyItem, truthOf, type Code } from './code.js';
import { DistinctItems, selfTyped } from './distinct.js';
import { compareItems, equalCollections, equalItems, equivalentCollections, isText } from './equality.js';
import { FhirPathError } from './errors.js';
import type { BinaryOperator } from './syntax.js';
import { compareTexts } from './temporal-text.js';
import { hasContent, isEmpty, itemsOf, type Item } from './values.js';

/** @param strictAt offset for the errors of the strict mode; undefined in the lenient one. */
export function binary(operator: BinaryOperator, left: Code, right: Code, strictAt: number | undefined): Code {
  switch (operator) {
    case '=':
      return equality(left, right, false);
    case '!=':
      return equality(left, right, true);
    case '~':
      return equivalence(left, right, false);
    case '!~':
      return equivalence(left, right, true);
    case '<':
      return comparison(left, right, (order) => order < 0);
    case '<=':
      return comparison(left, right, (order) => order <= 0);
    case '>':
      return comparison(left, right, (order) => order > 0);
    case '>=':
      return comparison(left, right, (order) => order >= 0);
    case 'and':
    case 'or':
    case 'xor':
    case 'implies':
      return logic(operator, left, right);
    case '|':
      return union(left, right);
    case 'in':
      return membership(left, right);
    case 'contains':
      return membership(right, left);
    case '+':
      if (strictAt !== undefined) checkSum(left, right, strictAt);
      return add(left, right, 1);
    case '-':
      if (strictAt !== undefined) checkSum(left, right, strictAt);
      return add(left, right, -1);
    case '*':
      return multiply(left, right);
    case '/':
      return divide(left, right);
    case 'div':
      return divideWhole(left, right);
    case 'mod':
      return remainder(left, right);
    case '&':
      return concatenate(left, right);
  }
}

export function polarity(sign: '+' | '-', operand: Code): Code {
  return sign === '+' ? operand : negate(operand);
}

function equality(left: Code, right: Code, negated: boolean): Code {
  if (left.isEmpty || right.isEmpty) return emptyCode;
  const text = isText(left.type) && isText(right.type);
  const l = left.run;
  const r = right.run;
  const generic = (a: Item | readonly Item[], b: Item | readonly Item[]) => {
    if (isEmpty(a) || isEmpty(b)) return undefined;
    const equal = equalCollections({ collection: a, type: left.type }, { collection: b, type: right.type });
    return equal === undefined ? undefined : equal !== negated;
  };
  const { constant } = right;
  if (typeof constant === 'string' && text) {
    return booleanCode((focus, scope) => {
      const a = l(focus, scope);
      if (a === undefined) return undefined;
      return typeof a === 'string' ? (a === constant) !== negated : generic(a, constant);
    });
  }
  return booleanCode((focus, scope) => {
    const a = l(focus, scope);
    if (a === undefined) return undefined;
    const b = r(focus, scope);
    if (b === undefined) return undefined;
    const kind = typeof a;
    if (kind === typeof b && ((kind === 'string' && text) || kind === 'number' || kind === 'boolean')) {
      return (a === b) !== negated;
    }
    return generic(a, b);
  });
}

function equivalence(left: Code, right: Code, negated: boolean): Code {
  return booleanCode((focus, scope) => {
    const a = { collection: left.run(focus, scope), type: left.type };
    const b = { collection: right.run(focus, scope), type: right.type };
    return equivalentCollections(a, b) !== negated;
  });
}

function comparison(left: Code, right: Code, accept: (order: number) => boolean): Code {
  if (left.isEmpty || right.isEmpty) return emptyCode;
  const text = isText(left.type) && isText(right.type);
  const l = left.run;
  const r = right.run;
  const times = left.type?.system !== undefined && left.type.system === right.type?.system && !text;
  return booleanCode((focus, scope) => {
    const a = l(focus, scope);
    if (a === undefined) return undefined;
    const b = r(focus, scope);
    if (b === undefined) return undefined;
    if (typeof a === 'number' && typeof b === 'number') return accept(a - b);
    if (typeof a === 'string' && typeof b === 'string') {
      if (text) return accept(a < b ? -1 : a > b ? 1 : 0);
      const order = times ? compareTexts(a, b) : undefined;
      if (order !== undefined) return accept(order);
    }
    const first = onlyItem(a, 'comparison');
    const second = onlyItem(b, 'comparison');
    if (first === undefined || second === undefined) return undefined;
    const order = compareItems(first, left.type, second, right.type);
    return order === undefined ? undefined : accept(order);
  });
}

/** Three-valued: https://hl7.org/fhirpath/N1/#boolean-logic */
function logic(operator: 'and' | 'or' | 'xor' | 'implies', left: Code, right: Code): Code {
  const l = truthOf(left);
  const r = truthOf(right);
  switch (operator) {
    case 'and':
      return booleanCode((focus, scope) => {
        const a = l(focus, scope);
        if (a === false) return false;
        const b = r(focus, scope);
        return b === false ? false : a && b;
      });
    case 'or':
      return booleanCode((focus, scope) => {
        const a = l(focus, scope);
        if (a === true) return true;
        const b = r(focus, scope);
        return b === true ? true : a === undefined || b === undefined ? undefined : false;
      });
    case 'xor':
      return booleanCode((focus, scope) => {
        const a = l(focus, scope);
        if (a === undefined) return undefined;
        const b = r(focus, scope);
        return b === undefined ? undefined : a !== b;
      });
    case 'implies':
      return booleanCode((focus, scope) => {
        const a = l(focus, scope);
        if (a === false) return true;
        const b = r(focus, scope);
        return b === true ? true : a === undefined || b === undefined ? undefined : false;
      });
  }
}

/** Types of two collections put together: items wrap themselves where the types differ. */
export function mixed(left: Code, right: Code): Pick<Code, 'type' | 'among'> & { readonly wraps: boolean } {
  if (left.isEmpty) return { type: right.type, among: right.among, wraps: false };
  if (right.isEmpty || (left.type !== undefined && left.type === right.type)) {
    return { type: left.type, among: left.among, wraps: false };
  }
  const types = [left, right].map((code) => (code.type ? [code.type] : code.among));
  const among = types[0] && types[1] ? [...new Set([...types[0], ...types[1]])] : undefined;
  return { type: undefined, among, wraps: true };
}

/** `left | right`: without duplicates. A chain of unions becomes one. */
export function union(left: Code, right: Code): Code {
  if (left.isEmpty && right.isEmpty) return emptyCode;
  const { type, among, wraps } = mixed(left, right);
  const parts = [left, right].flatMap((code) => code.parts ?? [code]).filter((code) => !code.isEmpty);
  return {
    type,
    among,
    single: false,
    parts,
    run: (focus, scope) => {
      let only: Item | undefined;
      let items: DistinctItems | undefined;
      for (const part of parts) {
        const own = part.run(focus, scope);
        if (own === undefined) continue;
        const found = wraps ? selfTyped(own, part.type) : own;
        if (items === undefined && only === undefined && !Array.isArray(found)) {
          only = found;
          continue;
        }
        if (items === undefined) items = new DistinctItems().addAll(only, type);
        items.addAll(found, type);
        scope.visit(items.items.length);
      }
      return items ? items.items : only;
    },
    exists: (focus, scope) => parts.some((part) => hasContent(part.run(focus, scope))),
  };
}

/** Looks into each part of a union by itself: duplicates do not matter here. */
function membership(item: Code, collection: Code): Code {
  const parts = collection.parts ?? [collection];
  return booleanCode((focus, scope) => {
    const one = onlyItem(item.run(focus, scope), 'in');
    if (one === undefined) return undefined;
    for (const { run, type } of parts) {
      for (const other of itemsOf(run(focus, scope))) {
        if (equalItems(one, item.type, other, type) === true) return true;
      }
    }
    return false;
  });
}

/** A date takes quantities only, and a quantity nothing else. */
function checkSum(left: Code, right: Code, at: number): void {
  const dates = ['Date', 'DateTime', 'Time'];
  if (left.type?.system && dates.includes(left.type.system) && right.type && right.type.system !== 'Quantity') {
    throw new FhirPathError('semantic', `a ${left.type.name} and a ${right.type.name} have no sum`, at);
  }
}
