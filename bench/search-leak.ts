/**
 * What the owner of an index learns from equality of terms alone, measured: `npm run bench -- search-leak`.
 *
 * The attacker holds the blind index of half of Synthea's patients in the corpus, and everything about the other half in plain text. It guesses by
 * frequency: a term that is on 31 % of the records is the value that is on 31 % of the records it knows. docs/search.md explains the table.
 */
import { readdirSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { toHex } from '../src/base/bytes.js';
import type { Resource } from '../src/base/resource.js';
import { loadDefinitions } from '../src/fhir/definitions/definitions.js';
import { termText } from '../src/fhir/search/blind.js';
import { createExtractor } from '../src/fhir/search/extract.js';
import { createParameters } from '../src/fhir/search/parameters.js';
import { Blinder, packTerms } from '../src/vault/blinder.js';

const folder = path.resolve(path.dirname(fileURLToPath(import.meta.url)), '../../../shared/corpus/synthea');
const patients = readdirSync(folder)
  .filter((file) => /^[A-Z]/.test(file))
  .sort();

interface Bundle {
  readonly entry: readonly { readonly fullUrl: string; readonly resource: Resource }[];
}

/** With references inside a bundle resolved, as a server would store them. */
function resourcesOf(files: readonly string[]): Resource[] {
  return files.flatMap((file) => {
    const text = readFileSync(path.join(folder, file), 'utf8');
    const { entry } = JSON.parse(text) as Bundle;
    const names = new Map(entry.map(({ fullUrl, resource }) => [fullUrl, `${resource.resourceType}/${resource.id}`]));
    return entry.map(({ resource }) => {
      const resolved = JSON.stringify(resource).replace(/urn:uuid:[0-9a-f-]{36}/g, (urn) => names.get(urn) ?? urn);
      return JSON.parse(resolved) as Resource;
    });
  });
}

/** Share of the records that carry each term, and what the terms mean. */
function index(resources: readonly Resource[], key: number) {
  const blinder = new Blinder(new Uint8Array(32).fill(key));
  const meaning = new Map<string, string>();
  const term = (text: string) => {
    const blind = blinder.term(text);
    meaning.set(toHex(blind), text);
    return blind;
  };
  const counts = new Map<string, number>();
  const extractor = createExtractor({
    parameters,
    blinder: { term, pack: (texts) => packTerms([...texts].map(term)) },
    baseUrl: 'http://localhost/fhir',
  });
  for (const resource of resources) {
    const { terms } = extractor.extract(resource);
    for (let at = 0; at < terms.length; at += 16) {
      const text = toHex(terms.subarray(at, at + 16));
      counts.set(text, (counts.get(text) ?? 0) + 1);
    }
  }
  const ranked = [...counts].sort(([, one], [, other]) => other - one);
  return {
    ranked: ranked.map(([blind, count]) => ({ text: meaning.get(blind) ?? '', share: count / resources.length })),
    counts,
  };
}

const parameters = createParameters(loadDefinitions());
const known = index(resourcesOf(patients.filter((_, at) => at % 2 === 0)), 1);
const target = resourcesOf(patients.filter((_, at) => at % 2 === 1));
const blind = index(target, 2);

/** Guesses the terms of `kind` in order of frequency; the attacker is granted to know which terms are of that kind. */
function guessed(isOfKind: (text: string) => boolean, most: number): string {
  const mine = known.ranked.filter(({ text }) => isOfKind(text)).slice(0, most);
  const theirs = blind.ranked.filter(({ text }) => isOfKind(text)).slice(0, most);
  const right = theirs.filter(({ text }, rank) => mine[rank]?.text === text).length;
  return `${right} of ${theirs.length}`;
}

const once = [...blind.counts.values()].filter((count) => count === 1).length;
const sizes = blind.ranked
  .filter(({ text }) => text.startsWith('\u0000C'))
  .map(({ share }) => Math.round(share * target.length));
const rows: readonly (readonly [string, string])[] = [
  ['records in the index', String(target.length)],
  ['distinct terms', String(blind.counts.size)],
  ['terms on one record only: equality says nothing', `${((100 * once) / blind.counts.size).toFixed(0)} %`],
  ['resource types guessed by frequency', guessed((text) => !text.includes('\u0000') && !text.includes('/'), 20)],
  [
    'most frequent LOINC codes guessed by frequency',
    guessed((text) => text.startsWith(termText('Observation.code', 't', 'http')), 20),
  ],
  [
    'most frequent conditions guessed by frequency',
    guessed((text) => text.startsWith(termText('Condition.code', 't', 'http')), 20),
  ],
  ['any of the 100 most frequent terms guessed, kind unknown', guessed(() => true, 100)],
  ['records of each patient, countable exactly', sizes.join(', ')],
];
for (const [what, figure] of rows) console.log(`| ${what} | ${figure} |`);
