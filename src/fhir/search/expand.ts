/** Modifiers that stand for many codes: `:in`, `:not-in`, `:above`, `:below`. Spec: https://hl7.org/fhir/R4/search.html#modifiers */
import type { Value } from './condition.js';
import { limitsOf, type SearchContext } from './context.js';
import { invalid, notOffered, tooCostly } from './problems.js';
import { parseTokenValue } from './token.js';

/** The codes of the value sets named by `texts`, as token values. @throws FhirError 400. */
export function expandTokens(context: SearchContext, name: string, texts: readonly string[]): Value[] {
  if (!context.terminology) throw notOffered(`Search parameter ${name}: needs a terminology, and none is configured`);
  const values: Value[] = [];
  for (const url of texts) {
    const codes = context.terminology.expand(url);
    if (!codes) throw invalid(`Search parameter ${name}: value set '${url}' is not known here, or cannot be expanded`);
    for (const { system, code } of codes) {
      values.push({
        kind: 'token',
        ...(system === undefined ? {} : { system }),
        code,
        text: `${system ?? ''}|${code}`,
      });
    }
    checkSize(context, name, values.length);
  }
  return values;
}

/** Each code with those above or below it. @throws FhirError 400. */
export function expandHierarchy(
  context: SearchContext,
  name: string,
  texts: readonly string[],
  direction: 'above' | 'below',
): Value[] {
  if (!context.terminology) throw notOffered(`Search parameter ${name}: needs a terminology, and none is configured`);
  const values: Value[] = [];
  for (const text of texts) {
    const value = parseTokenValue(text, name);
    if (!value.system || value.code === undefined)
      throw invalid(`Search parameter ${name}: found '${text}', expected system|code`);
    const codes = context.terminology.related(value.system, value.code, direction);
    if (!codes) throw invalid(`Search parameter ${name}: the hierarchy of '${value.system}' is not known here`);
    for (const code of codes)
      values.push({ kind: 'token', system: value.system, code, text: `${value.system}|${code}` });
    checkSize(context, name, values.length);
  }
  return values;
}

function checkSize(context: SearchContext, name: string, size: number): void {
  const { expansion } = limitsOf(context);
  if (size > expansion)
    throw tooCostly(`Search parameter ${name}: stands for ${size} codes, at most ${expansion} are offered`);
}
