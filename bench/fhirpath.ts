/**
 * FHIRPath: this engine beside fhirpath.js, in nanoseconds of CPU an evaluation, per class of expression; then all invariants of whole resources.
 *
 * `npm run bench -- fhirpath`
 */
import { readFileSync } from 'node:fs';
import fhirpath from 'fhirpath';
import r4 from 'fhirpath/fhir-context/r4/index.js';
import { loadDefinitions } from '../src/fhir/definitions/definitions.js';
import { compileFhirPath, Scope, type CompiledPath } from '../src/fhir/fhirpath/fhirpath.js';
import { FhirModel } from '../src/fhir/fhirpath/model.js';
import { constrainedElements } from '../test/fhir/fhirpath/constrained-elements.js';

const definitions = loadDefinitions();
const model = new FhirModel((name) => definitions.structureDefinition(name));

const patient = {
  resourceType: 'Patient',
  id: 'p1',
  name: [{ use: 'official', family: 'Chalmers', given: ['Peter', 'James'], period: { start: '2001-05-06' } }],
  telecom: [{ system: 'phone', value: '(03) 5555 6473', use: 'work' }],
  gender: 'male',
  birthDate: '1974-12-25',
  contact: [{ name: { family: 'du Marché' }, telecom: [{ value: '1' }] }],
};
const observation = {
  resourceType: 'Observation',
  id: 'o1',
  status: 'final',
  code: { coding: [{ system: 'http://loinc.org', code: '29463-7' }] },
  subject: { reference: 'Patient/p1' },
  effectiveDateTime: '2016-03-28T10:00:00Z',
  valueQuantity: { value: 185, unit: 'lbs', system: 'http://unitsofmeasure.org', code: '[lb_av]' },
};
const period = { start: '2010-01-01T10:00:00Z', end: '2011-01-01T10:00:00Z' };

/** Class of expression, type, input, expression. */
const classes: readonly (readonly [string, string, object, string])[] = [
  ['path', 'Patient', patient, 'name.given'],
  ['path exists', 'Patient', patient, 'contact.name.exists()'],
  ['absent exists', 'Patient', patient, 'contact.organization.exists()'],
  ['exists or exists', 'Patient.contact', patient.contact[0], 'name.exists() or telecom.exists() or address.exists()'],
  ['empty or exists', 'Observation', observation, 'dataAbsentReason.empty() or value.empty()'],
  ['choice is', 'Observation', observation, 'value is Quantity'],
  ['choice ofType', 'Observation', observation, 'value.ofType(Quantity).code'],
  ['where', 'Patient', patient, "name.where(use = 'official').family"],
  ['all implies', 'Patient', patient, 'telecom.all(value.exists() implies system.exists())'],
  ['count', 'Patient', patient, 'name.count() = 1'],
  ['string', 'Observation', observation, "subject.reference.startsWith('#').not()"],
  ['matches', 'Patient', patient, "birthDate.matches('^[0-9]{4}-[0-9]{2}-[0-9]{2}$')"],
  ['period', 'Period', period, 'start.hasValue().not() or end.hasValue().not() or (start <= end)'],
  ['quantity', 'Observation', observation, "value > 100 '[lb_av]'"],
  ['union distinct', 'Patient', patient, 'name.select(given | family).distinct().count()'],
  ['descendants', 'Observation', observation, 'code.descendants().count()'],
  ['extension absent', 'Patient', patient, "birthDate.extension('http://x').exists()"],
  ['ele-1', 'Coding', observation.code.coding[0], 'hasValue() or (children().count() > id.count())'],
];

/** Nanoseconds of CPU a call (so that a busy machine disturbs little): the best of seven rounds of 30 ms. */
function time(run: () => unknown): number {
  let best = Infinity;
  for (let round = 0; round < 7; round += 1) {
    let calls = 0;
    const start = process.cpuUsage();
    let spent = 0;
    while (spent < 30_000) {
      for (let i = 0; i < 100; i += 1) run();
      calls += 100;
      spent = cpuMicroseconds(start);
    }
    best = Math.min(best, (spent * 1000) / calls);
  }
  return best;
}

function cpuMicroseconds(since: NodeJS.CpuUsage): number {
  const { user, system } = process.cpuUsage(since);
  return user + system;
}

function theirs(type: string, input: object, expression: string): (input: object) => unknown {
  const path = 'resourceType' in input ? expression : { base: type, expression };
  return fhirpath.compile(path, r4, { traceFn: () => undefined }) as unknown as (input: object) => unknown;
}

function row(cells: readonly (string | number)[]): void {
  console.log(cells.map((cell, i) => (i === 0 ? String(cell).padEnd(20) : String(cell).padStart(12))).join(''));
}

row(['expression', 'ours ns', 'theirs ns', 'times']);
for (const [name, type, input, expression] of classes) {
  const compiled = compileFhirPath(expression, model, { type });
  const scope = new Scope({ resource: input });
  const other = theirs(type, input, expression);
  const own = time(() => compiled.test(input, scope));
  const their = time(() => other(input));
  row([name, own.toFixed(0), their.toFixed(0), (their / own).toFixed(0)]);
}

console.log('\nAll R4 invariants of whole resources, ele-1 and dom-* included');
row(['sample', 'resources', 'mean bytes', 'invariants', 'us/resource', 'us per 2 KB']);
for (const file of ['mixed-2000', 'observations-2000']) {
  const lines = readFileSync(`../shared/corpus/throughput/${file}.ndjson`, 'utf8').split('\n').filter(Boolean);
  const cache = new Map<string, CompiledPath>();
  let invariants = 0;
  const jobs = lines.slice(0, 1000).map((line) => {
    const resource = JSON.parse(line) as object;
    const work = constrainedElements(resource, definitions, model).map(({ type, expression, value }) => {
      const key = `${type} ${expression}`;
      if (!cache.has(key)) cache.set(key, compileFhirPath(expression, model, { type }));
      return { path: cache.get(key)!, value };
    });
    invariants += work.length;
    return { resource, work };
  });
  const all = () => {
    for (const { resource, work } of jobs) {
      const scope = new Scope({ resource });
      for (const { path, value } of work) path.test(value, scope);
    }
  };
  all();
  const best = Math.min(
    ...[1, 2, 3, 4, 5].map(() => {
      const start = process.cpuUsage();
      all();
      return cpuMicroseconds(start);
    }),
  );
  const bytes = lines.slice(0, 1000).reduce((sum, line) => sum + line.length, 0) / jobs.length;
  const each = best / jobs.length;
  const count = (invariants / jobs.length).toFixed(0);
  row([file, jobs.length, bytes.toFixed(0), count, each.toFixed(1), ((each * 2048) / bytes).toFixed(1)]);
}
