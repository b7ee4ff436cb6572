/**
 * The validator: `npm run bench -- validation [--fuzz N]`.
 *
 * Speed of one thread, warm, all invariants on; time to be ready; memory; agreement with the HL7 validator; one Bundle of 30 MB in steps;
 * N random changes of resources (default 100,000), each answered with a verdict.
 */
import { readdirSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { parseArgs } from 'node:util';
import { parseJson } from '../src/base/json.js';
import type { Resource } from '../src/base/resource.js';
import { loadDefinitions } from '../src/fhir/definitions/definitions.js';
import { loadPackages } from '../src/fhir/packages/load-packages.js';
import { createTerminology } from '../src/fhir/terminology/terminology.js';
import { createValidator } from '../src/fhir/validation/create-validator.js';
import type { ValidationOptions, Validator } from '../src/fhir/validation/validator.js';
import { casesOf, corpusFolder, definitionsWith, readLines, run } from '../test/fhir/validation/corpus.js';
import { mutated, randomOf } from '../test/fhir/validation/fuzz.js';
import { number, printTable, type Row } from './lib/table.js';

const { values } = parseArgs({
  args: process.argv.slice(2).filter((argument) => argument !== 'validation'),
  options: { fuzz: { type: 'string', default: '100000' } },
});
const rows: Row[] = [];

function row(name: string, value: string, aim: string): void {
  rows.push({ name, value, note: aim && `aim ${aim}` });
}

const megabytes = (bytes: number): string => `${(bytes / 1e6).toFixed(0)} MB`;

function validatorOf(supporting: readonly string[]): Validator {
  const definitions = supporting.length === 0 ? loadDefinitions() : definitionsWith(supporting);
  return createValidator({ definitions, terminology: createTerminology(definitions) });
}

/** Resources a second over `seconds`, after two warm passes. */
function rate(
  validator: Validator,
  inputs: readonly { resource: Resource; options?: ValidationOptions }[],
  seconds = 3,
): number {
  for (let pass = 0; pass < 2; pass += 1)
    for (const { resource, options } of inputs) validator.validate(resource, options);
  const start = performance.now();
  let count = 0;
  while (performance.now() - start < seconds * 1000) {
    for (const { resource, options } of inputs) validator.validate(resource, options);
    count += inputs.length;
  }
  return (count * 1000) / (performance.now() - start);
}

function measureStart(): void {
  const start = performance.now();
  const validator = validatorOf([]);
  validator.validate({ resourceType: 'Patient', active: true } as Resource);
  row('ready with R4, first Patient validated', `${number(performance.now() - start)} ms`, '< 1,000 ms');
}

/** US Core and IPS over R4: the time until a resource of theirs is validated, and memory after all mixed resources. */
function measurePackages(): void {
  const folder = path.join(corpusFolder, '..', 'packages');
  const core = loadDefinitions();
  createValidator({ definitions: core, terminology: createTerminology(core) }).validate({
    resourceType: 'Patient',
  } as Resource);
  for (const name of ['hl7.fhir.us.core-6.1.0.tgz', 'hl7.fhir.uv.ips-1.1.0.tgz']) {
    const start = performance.now();
    const { definitions } = loadPackages([path.join(folder, name)], core);
    const validator = createValidator({ definitions, terminology: createTerminology(definitions) });
    const profile = name.includes('us.core')
      ? 'us/core/StructureDefinition/us-core-patient'
      : 'uv/ips/StructureDefinition/Patient-uv-ips';
    validator.validate({ resourceType: 'Patient' } as Resource, { profiles: [`http://hl7.org/fhir/${profile}`] });
    row(`${name} on top, first Patient validated`, `${number(performance.now() - start)} ms`, '< 1,000 ms');
  }
  const { definitions } = loadPackages([folder], core);
  const validator = createValidator({ definitions, terminology: createTerminology(definitions) });
  for (const resource of readLines('throughput/mixed-2000.ndjson'))
    validator.validate(resource, { unknownProfile: 'warning' });
  row('memory with R4, US Core, IPS', megabytes(process.memoryUsage().rss), '< 250 MB');
}

function measureSpeed(): void {
  const validator = validatorOf([]);
  for (const [file, target] of [
    ['mixed-2000', '5,000/s'],
    ['observations-2000', '8,000/s'],
  ]) {
    const inputs = readLines(`throughput/${file}.ndjson`).map((resource) => ({ resource }));
    row(file, `${number(rate(validator, inputs))}/s`, target);
  }
  const cases = casesOf('profiled').filter(
    ({ supporting, resource }) => resource && supporting?.some((file) => file.includes('us-core')),
  );
  const supporting = [...new Set(cases.flatMap((one) => one.supporting ?? []))];
  const inputs = cases.map(({ resource, profiles }) => ({ resource: resource as Resource, options: { profiles } }));
  row(`US Core profiled (${inputs.length} resources)`, `${number(rate(validatorOf(supporting), inputs))}/s`, '2,000/s');
  row('memory after that', megabytes(process.memoryUsage().rss), '< 250 MB with corpora');
}

function measureAgreement(): void {
  for (const [file, target] of [
    ['mutations', '99 %'],
    ['profiled', '97 %'],
    ['official', '95 %'],
  ] as const) {
    const results = casesOf(file)
      .filter(({ lenient }) => !lenient)
      .map((one) => run(one));
    const agreed = results.filter(({ agrees }) => agrees).length;
    const placed = results.filter((result) => result.placed !== undefined);
    const share = (100 * agreed) / results.length;
    const right = placed.filter((result) => result.placed).length;
    row(`agreement, ${file}`, `${agreed} of ${results.length} (${share.toFixed(2)} %)`, target);
    row(
      `first error in place, ${file}`,
      `${right} of ${placed.length} (${((100 * right) / placed.length).toFixed(1)} %)`,
      '90 %',
    );
  }
}

/** Synthea's entries over and over, until the text has 30 MB. */
function measureBundle(): void {
  const folder = path.join(corpusFolder, 'synthea');
  const entries: unknown[] = [];
  let sizeBytes = 0;
  for (let round = 0; sizeBytes < 30e6; round += 1) {
    for (const file of readdirSync(folder).filter((name) => !/^\d/.test(name))) {
      const text = readFileSync(path.join(folder, file), 'utf8').replace(/urn:uuid:../g, `urn:uuid:${10 + round}`);
      sizeBytes += text.length;
      entries.push(...(parseJson(text) as unknown as { entry: unknown[] }).entry);
      if (sizeBytes >= 30e6) break;
    }
  }
  const bundle = { resourceType: 'Bundle', type: 'transaction', entry: entries } as unknown as Resource;
  const validator = validatorOf([]);
  for (const resource of readLines('throughput/mixed-2000.ndjson')) validator.validate(resource); // as a server that runs
  const start = performance.now();
  let longest = 0;
  let last = start;
  const steps = validator.validateInSteps(bundle, { unknownProfile: 'warning' });
  for (let step = steps.next(); ; step = steps.next()) {
    const now = performance.now();
    longest = Math.max(longest, now - last);
    last = now;
    if (step.done) break;
  }
  row(`Bundle of 30 MB, ${number(entries.length)} entries`, `${number(performance.now() - start)} ms`, '');
  row('longest step of it', `${longest.toFixed(1)} ms`, '< 50 ms');
  row('memory with it', megabytes(process.memoryUsage().rss), '< 600 MB');
}

function measureFuzz(count: number): void {
  const random = randomOf(1);
  const plain = casesOf('mutations').filter(({ mutation, resource }) => !mutation && resource);
  const profiled = casesOf('profiled').filter(({ mutation, resource }) => !mutation && resource);
  let slowest = 0;
  for (let at = 0; at < count; at += 1) {
    const one = at % 4 === 0 ? profiled[(at / 4) % profiled.length] : plain[at % plain.length];
    const resource = mutated(one.resource, random) as Resource;
    const start = performance.now();
    run({ ...one, resource });
    slowest = Math.max(slowest, performance.now() - start);
  }
  row(`fuzz: ${number(count)} random changes`, 'a verdict each', 'no exception');
  row('slowest of them', `${slowest.toFixed(0)} ms`, '< 1,000 ms');
}

measureStart();
measurePackages();
measureSpeed();
measureAgreement();
measureBundle();
measureFuzz(Number(values.fuzz));
printTable('Validation, one thread', rows);
