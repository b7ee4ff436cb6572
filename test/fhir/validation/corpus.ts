/** The cases of shared/corpus/validation: resources with the verdict of the HL7 validator. See its README.md. */
import { readFileSync } from 'node:fs';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseJson } from '../../../src/base/json.js';
import type { Issue } from '../../../src/base/outcome.js';
import type { Resource } from '../../../src/base/resource.js';
import { loadDefinitions, type Definitions } from '../../../src/fhir/definitions/definitions.js';
import type { CanonicalResource } from '../../../src/fhir/definitions/types.js';
import { readXml } from '../../../src/fhir/format/xml.js';
import { createTerminology } from '../../../src/fhir/terminology/terminology.js';
import { createValidator } from '../../../src/fhir/validation/create-validator.js';
import { validateText } from '../../../src/fhir/validation/validate-text.js';
import type { Validator } from '../../../src/fhir/validation/validator.js';

export interface ReferenceIssue {
  readonly expression: string | null;
  readonly severity: string;
  readonly text: string;
}

export interface Case {
  readonly id: string;
  readonly resource?: Resource;
  readonly file?: string;
  readonly profiles?: readonly string[];
  readonly supporting?: readonly string[];
  readonly options?: Readonly<Record<string, unknown>>;
  readonly expect: 'valid' | 'invalid';
  readonly errors: readonly ReferenceIssue[];
  readonly lenient?: boolean;
  readonly strict?: { readonly expect: 'valid' | 'invalid'; readonly errors: readonly ReferenceIssue[] };
  readonly mutation?: { readonly kind: string; readonly path: string; readonly detail: string };
}

export interface Result {
  readonly case: Case;
  readonly issues: readonly Issue[];
  readonly isValid: boolean;
  readonly agrees: boolean;
  /** Of an agreed invalid case: an own error lies at, above or below the first reference error. */
  readonly placed?: boolean;
}

const here = fileURLToPath(import.meta.url);
const root = here.slice(0, here.lastIndexOf(`${path.sep}dist${path.sep}`));
export const corpusFolder = path.join(root, '..', 'shared', 'corpus');
const folder = path.join(corpusFolder, 'validation');

export const core = loadDefinitions();
const validators = new Map<string, Validator>();

export function casesOf(file: 'mutations' | 'profiled' | 'official'): Case[] {
  return readLines(path.join('validation', `${file}.ndjson`)) as unknown as Case[];
}

/** The values of a corpus file with one JSON value a line. */
export function readLines(file: string): Resource[] {
  const text = readFileSync(path.join(corpusFolder, file), 'utf8');
  return text
    .split('\n')
    .filter(Boolean)
    .map((line) => parseJson(line) as unknown as Resource);
}

/** Validates one case as the reference run did: R4 core and the case's supporting files are at hand, nothing else. */
export function run(one: Case): Result {
  const validator = validatorFor(one.supporting ?? []);
  const options = {
    profiles: one.profiles ?? [],
    checkReferenceTypes: one.options?.assumeRest === true,
    unknownProfile: 'error' as const,
  };
  const issues = one.file
    ? validateText(validator, core, readFileSync(path.join(folder, one.file), 'utf8'), options)
    : validator.validate(one.resource as Resource, options);
  const errors = issues.filter(({ severity }) => severity === 'error' || severity === 'fatal');
  const isValid = errors.length === 0;
  const agrees = isValid === (one.expect === 'valid');
  const first = one.errors[0]?.expression;
  const placed = agrees && !isValid && first ? errors.some(({ expression }) => isNear(expression, first)) : undefined;
  return { case: one, issues, isValid, agrees, placed };
}

function validatorFor(supporting: readonly string[]): Validator {
  const key = supporting.join(' ');
  let validator = validators.get(key);
  if (!validator) {
    const definitions = definitionsWith(supporting);
    validator = createValidator({ definitions, terminology: createTerminology(definitions) });
    if (validators.size >= 30) validators.delete([...validators.keys()][0]);
    validators.set(key, validator);
  }
  return validator;
}

/** R4 core with the corpus files `supporting` on top. */
export function definitionsWith(supporting: readonly string[]): Definitions {
  return supporting.length === 0 ? core : core.with(supporting.flatMap((file) => readSupporting(file)));
}

function readSupporting(file: string): CanonicalResource[] {
  const text = readFileSync(path.join(folder, file), 'utf8');
  const value = file.endsWith('.xml') ? readXmlResource(text) : (parseJson(text) as unknown);
  return flat(value);
}

function flat(value: unknown): CanonicalResource[] {
  if (Array.isArray(value)) return value.flatMap(flat);
  const resource = value as CanonicalResource & { entry?: { resource?: unknown }[] };
  if (resource.resourceType === 'Bundle') return (resource.entry ?? []).flatMap((entry) => flat(entry.resource));
  return [resource];
}

/** One of the two paths is the other or a beginning of it; comments and the notation of choice types do not count. */
function isNear(own: string | undefined, reference: string): boolean {
  if (own === undefined) return false;
  const a = plain(own);
  const b = plain(reference);
  return a === b || starts(a, b) || starts(b, a);
}

const starts = (long: string, short: string): boolean =>
  long.startsWith(short) && ['.', '[', undefined].includes(long[short.length]);

function plain(expression: string): string {
  return expression
    .replace(/^\/f:/, '') // XML's own paths: /f:Patient/f:name
    .replace(/\/f:/g, '.')
    .replace(/\/\*.*?\*\//g, '')
    .replace(/\.ofType\([^)]*\)/g, '')
    .replace(/\[x\]/g, '')
    .replace(/\.resolve\(\)/g, '')
    .replace(/\[url='[^']*'\]/g, '');
}

function readXmlResource(text: string, definitions: Definitions = core): unknown {
  return readXml(text, definitions);
}
