/**
 * Terminology: look-ups a second, expansions, and what loading definitions and packages costs in time and memory.
 *
 * `npm run bench -- terminology`
 */
import { existsSync } from 'node:fs';
import path from 'node:path';
import { loadDefinitions } from '../src/fhir/definitions/definitions.js';
import { ActiveDefinitions } from '../src/fhir/packages/active-definitions.js';
import { loadPackages } from '../src/fhir/packages/load-packages.js';
import { createTerminology } from '../src/fhir/terminology/terminology.js';
import { number, printTable, type Row } from './lib/table.js';

const rows: Row[] = [];

function timed<T>(what: string, run: () => T): T {
  const before = process.memoryUsage().rss;
  const start = performance.now();
  const result = run();
  const mib = Math.max(0, process.memoryUsage().rss - before) / 1_048_576;
  rows.push({
    name: what,
    value: `${(performance.now() - start).toFixed(0)} ms`,
    note: `${mib.toFixed(0)} MiB more resident`,
  });
  return result;
}

/** Calls a second: the best of five rounds of 100 ms. */
function rate(what: string, run: (index: number) => unknown): void {
  let best = 0;
  for (let round = 0; round < 5; round += 1) {
    const start = performance.now();
    let count = 0;
    while (performance.now() - start < 100) for (let each = 0; each < 1000; each += 1) run(count++);
    best = Math.max(best, count / ((performance.now() - start) / 1000));
  }
  rows.push({ name: what, value: `${number(best)} /s` });
}

const definitions = timed('load the R4 definitions', () => loadDefinitions());
const terminology = createTerminology(definitions);
const gender = 'http://hl7.org/fhir/ValueSet/administrative-gender|4.0.1';
const codes = ['male', 'female', 'other', 'unknown', 'mal'];
timed('first look-up', () => terminology.validateCode({ code: 'male' }, gender));
rate('code element in a value set, kept', (index) => terminology.validateCode({ code: codes[index % 5] }, gender));
const marital = { system: 'http://terminology.hl7.org/CodeSystem/v3-MaritalStatus', code: 'M' };
rate('coding in a value set, kept', () =>
  terminology.validateCode(marital, 'http://hl7.org/fhir/ValueSet/marital-status'),
);
rate('coding in its system, kept', () => terminology.validateInSystem(marital));
rate('coding of an unknown system, kept', () =>
  terminology.validateInSystem({ system: 'http://loinc.org', code: '1-8' }),
);
rate('coding in a value set, never seen before', (index) =>
  terminology.validateCode(
    { system: marital.system, code: `c${index}` },
    'http://hl7.org/fhir/ValueSet/marital-status',
  ),
);
rate('unit, never seen before', (index) =>
  terminology.validateInSystem({ system: 'http://unitsofmeasure.org', code: `mg/(${index}.dL)` }),
);
timed('expand all R4 value sets that can be listed', () => {
  for (const { url } of definitions.entries('ValueSet')) {
    try {
      terminology.expand(url);
    } catch {
      // of SNOMED CT, LOINC, ... or without end
    }
  }
});

const shared = path.resolve(import.meta.dirname, '../../../shared/packages');
const packages = existsSync(shared) ? shared : path.resolve(import.meta.dirname, '../../profiles');
const loaded = timed(`load the packages in ${path.basename(path.dirname(packages))}/${path.basename(packages)}`, () =>
  loadPackages([packages], definitions),
);
const options = { unknownProfile: 'warning', bestPractice: false, checkReferenceTypes: true, demanded: {} } as const;
const active = new ActiveDefinitions(loaded, options);
timed('make the ProfileSet manifest', () => active.current.profileSet);
const patient = { resourceType: 'Patient', gender: 'male', maritalStatus: { coding: [marital] } };
const clean = active.validator.validate(patient);
rate('receipt of a clean resource', () => active.current.receipts.of(patient, clean));

printTable('Terminology', rows);
