/** `mooring validate`: files against R4 and packages, offline. Exit status: 0 no errors, 1 errors found, 2 called wrongly or a file cannot be read. */
import { readFileSync } from 'node:fs';
import { parseArgs } from 'node:util';
import type { Issue } from '../base/outcome.js';
import { loadDefinitions } from '../fhir/definitions/definitions.js';
import type { Definitions } from '../fhir/definitions/definitions.js';
import type { CanonicalResource } from '../fhir/definitions/types.js';
import { outcomeOf } from '../fhir/outcome.js';
import { compact } from '../fhir/packages/compact.js';
import { loadPackages } from '../fhir/packages/load-packages.js';
import { createTerminology } from '../fhir/terminology/terminology.js';
import { createValidator } from '../fhir/validation/create-validator.js';
import { positionOf } from '../fhir/validation/positions.js';
import { validateText } from '../fhir/validation/validate-text.js';
import type { ValidationOptions, Validator } from '../fhir/validation/validator.js';

const help = `Usage: mooring validate FILES... [options]

Validates FHIR R4 resources in JSON, XML or NDJSON files ('-': standard input), without any server.

  --package FILE        a FHIR package (.tgz), a folder of packages, or a JSON file with profiles and value sets (repeatable)
  --profile URL         a profile that every resource must meet, beside those in meta.profile (repeatable)
  --unknown-profile S   what a profile is that is not at hand: error (default) or warning
  --best-practice       also warn where best practice is not followed
  --errors-only         do not print warnings and hints
  --json                print a JSON array: one object with file, line (of NDJSON), valid and outcome (an OperationOutcome) a resource

Exit status: 0 when there is no error, 1 when there is one, 2 when a file or an option cannot be read.`;

/** One resource text and where it comes from. */
interface Source {
  readonly file: string;
  readonly text: string;
  /** Line of an NDJSON file, 1-based. */
  readonly line?: number;
}

interface Checked extends Source {
  readonly issues: readonly Issue[];
  readonly isValid: boolean;
}

/** @returns the exit status. */
export async function run(args: string[]): Promise<number> {
  let options: ReturnType<typeof readOptions>;
  try {
    options = readOptions(args);
  } catch (error) {
    return refuse(error);
  }
  const { values, positionals } = options;
  if (values.help) {
    console.log(help);
    return 0;
  }
  if (positionals.length === 0) return refuse(new Error('no files given'));
  try {
    const { validator, definitions, notes } = prepare(values.package);
    for (const note of notes) console.error(`note: ${note}`);
    const settings: ValidationOptions = {
      profiles: values.profile,
      bestPractice: values['best-practice'],
      unknownProfile: values['unknown-profile'] === 'warning' ? 'warning' : 'error',
    };
    const checked: Checked[] = [];
    for (const source of positionals.flatMap(sourcesOf)) {
      const result = check(validator, definitions, source, settings, values['errors-only']);
      checked.push(result);
      if (!values.json) report(result);
    }
    if (values.json) console.log(JSON.stringify(checked.map(jsonOf), null, 2));
    else console.log(summary(checked));
    return checked.every(({ isValid }) => isValid) ? 0 : 1;
  } catch (error) {
    return refuse(error);
  }
}

function readOptions(args: string[]) {
  const read = parseArgs({
    args,
    allowPositionals: true,
    options: {
      package: { type: 'string', multiple: true, default: [] },
      profile: { type: 'string', multiple: true, default: [] },
      'unknown-profile': { type: 'string', default: 'error' },
      'best-practice': { type: 'boolean', default: false },
      'errors-only': { type: 'boolean', default: false },
      json: { type: 'boolean', default: false },
      help: { type: 'boolean', short: 'h', default: false },
    },
  });
  if (!['error', 'warning'].includes(read.values['unknown-profile'])) {
    throw new Error(`--unknown-profile is '${read.values['unknown-profile']}'; expected error or warning`);
  }
  return read;
}

function refuse(error: unknown): number {
  console.error(
    `mooring validate: ${error instanceof Error ? error.message : String(error)}\n\n${help.split('\n')[0]}`,
  );
  return 2;
}

function prepare(paths: readonly string[]): {
  validator: Validator;
  definitions: Definitions;
  notes: readonly string[];
} {
  const isJson = (path: string) => path.endsWith('.json');
  const loaded = loadPackages(
    paths.filter((path) => !isJson(path)),
    loadDefinitions(),
  );
  const definitions = loaded.definitions.with(paths.filter(isJson).flatMap(conformanceResources).map(compact));
  const terminology = createTerminology(definitions, loaded.supplements);
  return { validator: createValidator({ definitions, terminology }), definitions, notes: loaded.unresolved };
}

/** The resources of a file that holds one, a Bundle of them, or an array. */
function conformanceResources(file: string): CanonicalResource[] {
  const content = JSON.parse(readFileSync(file, 'utf8')) as { resourceType?: string; entry?: { resource?: unknown }[] };
  if (Array.isArray(content)) return content as CanonicalResource[];
  if (content.resourceType === 'Bundle') {
    return (content.entry ?? []).flatMap(({ resource }) => (resource ? [resource as CanonicalResource] : []));
  }
  return [content as unknown as CanonicalResource];
}

function sourcesOf(file: string): Source[] {
  const text = readFileSync(file === '-' ? 0 : file, 'utf8');
  const isNdjson = file.endsWith('.ndjson') || (file === '-' && looksLikeNdjson(text));
  if (!isNdjson) return [{ file, text }];
  return text
    .split('\n')
    .map((line, index) => ({ file, text: line, line: index + 1 }))
    .filter((source) => source.text.trim() !== '');
}

function looksLikeNdjson(text: string): boolean {
  return /^\{[^\n]*\}\r?\n\{/.test(text);
}

function check(
  validator: Validator,
  definitions: Definitions,
  source: Source,
  settings: ValidationOptions,
  errorsOnly: boolean,
): Checked {
  const isError = ({ severity }: Issue) => severity === 'error' || severity === 'fatal';
  const found = validateText(validator, definitions, source.text, settings);
  const issues = found
    .filter((issue) => !errorsOnly || isError(issue))
    .map((issue) => {
      const position = issue.line === undefined ? positionOf(source.text, issue.expression ?? '') : issue;
      // In NDJSON the line is that of the file.
      return { ...issue, column: position?.column, line: source.line ?? position?.line };
    });
  return { ...source, issues, isValid: !found.some(isError) };
}

function report({ file, line, issues, isValid }: Checked): void {
  const name = line === undefined ? file : `${file}:${line}`;
  console.log(`${name}: ${isValid ? 'valid' : 'INVALID'}`);
  for (const { severity, code, expression, line: at, column, diagnostics } of issues) {
    const place = at === undefined ? '' : ` (line ${at}, column ${column})`;
    console.log(`  ${severity.padEnd(11)} ${expression ?? 'the text'}${place}\n              ${diagnostics} [${code}]`);
  }
}

function jsonOf({ file, line, issues, isValid }: Checked): object {
  return {
    file,
    ...(line === undefined ? {} : { line }),
    valid: isValid,
    outcome: issues.length > 0 ? outcomeOf(issues) : undefined,
  };
}

function summary(checked: readonly Checked[]): string {
  const invalid = checked.filter(({ isValid }) => !isValid).length;
  const count = (severities: readonly string[]) =>
    checked.reduce((sum, { issues }) => sum + issues.filter(({ severity }) => severities.includes(severity)).length, 0);
  return (
    `${checked.length} resources: ${checked.length - invalid} valid, ${invalid} invalid; ` +
    `${count(['error', 'fatal'])} errors, ${count(['warning'])} warnings, ${count(['information'])} hints`
  );
}
