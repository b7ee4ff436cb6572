/** Validates the text of a resource, JSON or XML: what cannot be read is one fatal issue, everything else goes to the validator. */
import { parseJson } from '../../base/json.js';
import { JsonError } from '../../base/json-parser.js';
import type { Issue } from '../../base/outcome.js';
import type { Resource } from '../../base/resource.js';
import type { Definitions } from '../definitions/definitions.js';
import { readXml, XmlError, type XmlProblem } from '../format/xml.js';
import type { ValidationOptions, Validator } from './validator.js';

/**
 * @param text JSON, or XML when its first character that is no white space is `<`.
 * @returns as `Validator.validate`; issues of a text that cannot be read carry line and column.
 */
export function validateText(
  validator: Validator,
  definitions: Definitions,
  text: string,
  options: ValidationOptions = {},
): Issue[] {
  return /^\s*</.test(text.slice(0, 1000).replace(/^\ufeff/, ''))
    ? validateXml(validator, definitions, text, options)
    : validateJson(validator, text, options);
}

function validateJson(validator: Validator, text: string, options: ValidationOptions): Issue[] {
  try {
    return validator.validate(parseJson(text) as unknown as Resource, options);
  } catch (error) {
    if (error instanceof JsonError) return [{ ...unreadable(error), ...rootOf(text) }];
    throw error;
  }
}

/** The type of the resource that could not be read, as far as its text tells. */
function rootOf(text: string): { expression?: string } {
  const type = /"resourceType"\s*:\s*"([A-Z][A-Za-z]+)"/.exec(text.slice(0, 2000))?.[1];
  return type === undefined ? {} : { expression: type };
}

function validateXml(
  validator: Validator,
  definitions: Definitions,
  text: string,
  options: ValidationOptions,
): Issue[] {
  const problems: XmlProblem[] = [];
  try {
    const resource = readXml(text, definitions, problems);
    const found = problems.map(({ message, line, column, expression }): Issue => {
      return { severity: 'error', code: 'structure', rule: 'xml', diagnostics: message, line, column, expression };
    });
    return [...found, ...validator.validate(resource, options)];
  } catch (error) {
    if (error instanceof XmlError) return [unreadable(error)];
    throw error;
  }
}

function unreadable({ message, line, column }: { message: string; line: number; column: number }): Issue {
  return { severity: 'fatal', code: 'structure', rule: 'unreadable', diagnostics: message, line, column };
}
