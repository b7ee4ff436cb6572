/**
 * Code systems that come from public registries rather than from CodeSystem resources: countries, currencies, states of the USA, MIME types.
 *
 * The lists are those of pinned packages, never of the running Node or its ICU data, so that every machine gives the same verdicts.
 */
import currencyCodes from 'currency-codes';
import { iso31661, iso31662 } from 'iso-3166';
import { listedSystem, plainConcept, type KnownSystem } from './known-system.js';
import { languages } from './languages.js';
import { timeZones } from './time-zones.js';
import { ucum } from './ucum.js';

/** ISO 3166-1: alpha-2 and alpha-3 codes. Spec: https://terminology.hl7.org/ISO3166.html */
const countries = listedSystem('urn:iso:std:iso:3166', 'ISO 3166-1', false, function* () {
  for (const { alpha2, name } of iso31661) yield [alpha2, name];
  for (const { alpha3, name } of iso31661) yield [alpha3, name];
});

/**
 * Codes that ISO 4217 has withdrawn since 2018 but that records of that time carry, and four local ones in common use that it never had.
 */
const otherCurrencies: readonly (readonly [code: string, name: string])[] = [
  ['HRK', 'Croatian kuna'],
  ['SLL', 'Sierra Leonean leone (old)'],
  ['VEF', 'Venezuelan bolívar fuerte'],
  ['ZWL', 'Zimbabwean dollar'],
  ['GGP', 'Guernsey pound'],
  ['IMP', 'Manx pound'],
  ['JEP', 'Jersey pound'],
  ['TVD', 'Tuvaluan dollar'],
];

/** ISO 4217. Spec: https://hl7.org/fhir/R4/valueset-currencies.html */
export const currencies = listedSystem('urn:iso:std:iso:4217', 'ISO 4217', false, function* () {
  for (const { code, currency } of currencyCodes.data) yield [code, currency];
  yield* otherCurrencies;
});

const states =
  'AK Alaska,AL Alabama,AR Arkansas,AS American Samoa,AZ Arizona,CA California,CO Colorado,CT Connecticut,DC District of Columbia,' +
  'DE Delaware,FL Florida,FM Federated States of Micronesia,GA Georgia,GU Guam,HI Hawaii,IA Iowa,ID Idaho,IL Illinois,IN Indiana,' +
  'KS Kansas,KY Kentucky,LA Louisiana,MA Massachusetts,MD Maryland,ME Maine,MH Marshall Islands,MI Michigan,MN Minnesota,' +
  'MO Missouri,MP Northern Mariana Islands,MS Mississippi,MT Montana,NC North Carolina,ND North Dakota,NE Nebraska,NH New Hampshire,' +
  'NJ New Jersey,NM New Mexico,NV Nevada,NY New York,OH Ohio,OK Oklahoma,OR Oregon,PA Pennsylvania,PR Puerto Rico,PW Palau,' +
  'RI Rhode Island,SC South Carolina,SD South Dakota,TN Tennessee,TX Texas,UM U.S. Minor Outlying Islands,UT Utah,VA Virginia,' +
  'VI Virgin Islands of the U.S.,VT Vermont,WA Washington,WI Wisconsin,WV West Virginia,WY Wyoming,' +
  'AA Armed Forces Americas,AE Armed Forces Europe,AP Armed Forces Pacific';

/** Two-letter codes of the United States Postal Service. */
const usStates = listedSystem('https://www.usps.com/', 'USPS states', true, () =>
  states.split(',').map((entry) => [entry.slice(0, 2), entry.slice(3)] as const),
);

const mimeForm = /^[A-Za-z0-9][A-Za-z0-9!#$&^_.+-]{0,126}\/[A-Za-z0-9][A-Za-z0-9!#$&^_.+-]{0,126}(\s*;.{0,500})?$/;

/**
 * MIME types by their form: IANA's registry is open (`x.` and `vnd.` types), so a type that is not listed is no error.
 * Spec: RFC 6838 section 4.2
 */
const mimeTypes: KnownSystem = {
  url: 'urn:ietf:bcp:13',
  name: 'MIME types',
  status: 'fragment',
  isCaseSensitive: false,
  contains: (code) => (mimeForm.test(code) ? 'in' : 'unknown'),
  find: (code) => (mimeForm.test(code) ? plainConcept(code) : undefined),
  concepts: () => undefined,
  explain: () => 'it has not the form type/subtype',
};

const listedSubdivisions = listedSystem('urn:iso:std:iso:3166:-2', 'ISO 3166-2', false, () =>
  iso31662.map(({ code, name }) => [code, name] as const),
);

/** ISO 3166-2 subdivisions, which change every year: one that is not listed may exist. */
const subdivisions: KnownSystem = {
  ...listedSubdivisions,
  status: 'fragment',
  contains: (code) => (listedSubdivisions.contains(code) === 'in' ? 'in' : 'unknown'),
};

/** Every system that is known without a CodeSystem resource, by URL. A resource of the same URL that has content goes before it. */
export const registeredSystems: ReadonlyMap<string, KnownSystem> = new Map(
  [ucum, languages, mimeTypes, countries, subdivisions, currencies, usStates, timeZones].map((system) => [
    system.url,
    system,
  ]),
);
