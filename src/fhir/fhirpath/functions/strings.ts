/** Spec: https://hl7.org/fhirpath/N1/#string-manipulation */
import { singleCode } from '../code.js';
import { systemValue } from '../convert.js';
import { executionError } from '../errors.js';
import { systemTypes, type TypeInfo } from '../model.js';
import { compilePattern } from '../pattern.js';
import { itemsOf, type Collection } from '../values.js';
import { argument, integerOf, stringOf, type Value } from './arguments.js';
import { decode, encode, escapeText, unescapeText } from './encoding.js';
import type { FunctionDefinition, FunctionTable } from './registry.js';

const { string, boolean, integer } = systemTypes;
/** Functions that look at the first of several items in the lenient mode. */
const takeFirst = new Set(['startsWith', 'endsWith', 'indexOf']);

export const stringFunctions: FunctionTable = {
  indexOf: withText(integer, (text, other) => text.indexOf(other)),
  lastIndexOf: withText(integer, (text, other) => text.lastIndexOf(other)),
  startsWith: withText(boolean, (text, other) => text.startsWith(other)),
  endsWith: withText(boolean, (text, other) => text.endsWith(other)),
  contains: withText(boolean, (text, other) => text.includes(other)),
  upper: plain((text) => text.toUpperCase()),
  lower: plain((text) => text.toLowerCase()),
  trim: plain((text) => text.trim()),
  length: plain((text) => text.length, integer),
  toChars: plain((text) => (text === '' ? undefined : Array.from(text))),
  substring: { arity: [1, 2], compile: substringCode },
  replace: withTexts((text, pattern, other) => text.replaceAll(pattern, () => other)),
  matches: patternFunction((pattern) => (text) => pattern.test(text)),
  matchesFull: patternFunction((pattern) => (text) => pattern.testWhole(text)),
  replaceMatches: withTexts((text, pattern, other) => {
    return pattern === '' ? text : compilePattern(pattern).replace(text, other);
  }),
  split: withText(string, (text, separator) => (text === '' ? undefined : text.split(separator))),
  join: { arity: [0, 1], compile: joinCode },
  encode: withText(string, encode),
  decode: withText(string, decode),
  escape: withText(string, escapeText),
  unescape: withText(string, unescapeText),
};

function plain(compute: (text: string) => Collection, type: TypeInfo = string): FunctionDefinition {
  return {
    arity: [0, 0],
    compile(site) {
      const text = stringOf(site, site.target, `${site.call.name}()`);
      return {
        type,
        single: site.call.name !== 'toChars',
        run: (focus, scope) => {
          const value = text(focus, scope);
          return value === undefined ? undefined : compute(value);
        },
      };
    },
  };
}

/** A function of a text and one text argument: empty when one of them is. */
function withText(type: TypeInfo, compute: (text: string, other: string) => Collection): FunctionDefinition {
  return {
    arity: [1, 1],
    compile(site) {
      const what = `${site.call.name}()`;
      const text = stringOf(site, site.target, what, takeFirst.has(site.call.name));
      const other = stringOf(site, argument(site, 0)!, what);
      return {
        type,
        single: site.call.name !== 'split',
        run: (focus, scope) => {
          const value = text(focus, scope);
          if (value === undefined) return undefined;
          const argumentValue = other(focus, scope);
          return argumentValue === undefined ? undefined : compute(value, argumentValue);
        },
      };
    },
  };
}

function withTexts(compute: (text: string, first: string, second: string) => string): FunctionDefinition {
  return {
    arity: [2, 2],
    compile(site) {
      const what = `${site.call.name}()`;
      const text = stringOf(site, site.target, what);
      const first = stringOf(site, argument(site, 0)!, what);
      const second = stringOf(site, argument(site, 1)!, what);
      return singleCode(string, (focus, scope) => {
        const value = text(focus, scope);
        const a = first(focus, scope);
        const b = second(focus, scope);
        if (value === undefined || a === undefined || b === undefined) return undefined;
        // The longest result: the replacement at every position.
        scope.visit((value.length + 1) * (b.length + 1));
        return compute(value, a, b);
      });
    },
  };
}

/** The pattern of a literal is compiled with the expression, so that a bad one is found there. */
function patternFunction(
  prepare: (pattern: ReturnType<typeof compilePattern>) => (text: string) => boolean,
): FunctionDefinition {
  return {
    arity: [1, 1],
    compile(site) {
      const what = `${site.call.name}()`;
      const text = stringOf(site, site.target, what);
      const code = argument(site, 0)!;
      const pattern: Value<string> = stringOf(site, code, what);
      const fixed = typeof code.constant === 'string' ? prepare(compilePattern(code.constant)) : undefined;
      return singleCode(boolean, (focus, scope) => {
        const value = text(focus, scope);
        if (value === undefined) return undefined;
        scope.visit(1 + (value.length >> 6));
        if (fixed) return fixed(value);
        const source = pattern(focus, scope);
        return source === undefined ? undefined : prepare(compilePattern(source))(value);
      });
    },
  };
}

function substringCode(site: Parameters<FunctionDefinition['compile']>[0]) {
  const text = stringOf(site, site.target, 'substring()');
  const start = integerOf(argument(site, 0)!, 'substring()');
  const lengthCode = argument(site, 1);
  const length = lengthCode && integerOf(lengthCode, 'substring()');
  return singleCode(string, (focus, scope) => {
    const value = text(focus, scope);
    const from = start(focus, scope);
    if (value === undefined || from === undefined || from < 0 || from >= value.length) return undefined;
    const count = length?.(focus, scope);
    return count === undefined ? value.slice(from) : value.slice(from, from + Math.max(count, 0));
  });
}

function joinCode(site: Parameters<FunctionDefinition['compile']>[0]) {
  const { target } = site;
  const code = argument(site, 0);
  const separator: Value<string> = code ? stringOf(site, code, 'join()') : () => '';
  return singleCode(string, (focus, scope) => {
    const items = itemsOf(target.run(focus, scope));
    if (items.length === 0) return undefined;
    const texts = items.map((item) => {
      const value = systemValue(item, target.type);
      if (typeof value !== 'string') throw executionError('join(): an item is no string');
      return value;
    });
    const between = separator(focus, scope) ?? '';
    scope.visit(texts.reduce((sum, text) => sum + text.length + between.length, 0));
    return texts.join(between);
  });
}
