/** The transactions and creates that are measured: Synthea's patients of the corpus, and Observations of theirs. */
import { readdirSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import type { LoadRequest } from './load.js';
import { pick } from './questions.js';

export interface Resource {
  readonly resourceType: string;
  readonly id: string;
  readonly name?: readonly { readonly family: string }[];
  readonly birthDate?: string;
  readonly subject?: { readonly reference: string };
  readonly code?: { readonly coding: readonly { readonly system: string; readonly code: string }[] };
  readonly [element: string]: unknown;
}

const corpus = fileURLToPath(new URL('../../../../shared/corpus/', import.meta.url));

const post = (target: string, body: string): LoadRequest => ({ method: 'POST', path: `/fhir${target}`, body });

export class Written {
  /** Batches of practitioners and hospitals, to be sent before the first transaction. */
  readonly prerequisites: readonly LoadRequest[];
  /** Observations to create. */
  readonly samples: readonly Resource[];
  private readonly transactions: readonly { readonly request: LoadRequest; readonly resources: readonly Resource[] }[];
  private turn = 0;

  constructor() {
    const folder = path.join(corpus, 'synthea');
    const bundles = readdirSync(folder).sort().map((file) => readFileSync(path.join(folder, file), 'utf8')); // prettier-ignore
    this.prerequisites = bundles.slice(0, 2).map((body) => post('', body));
    this.transactions = bundles.slice(2).map((body) => {
      const { entry } = JSON.parse(body) as { entry: { resource: Resource }[] };
      return { request: post('', body), resources: entry.map(({ resource }) => resource) };
    });
    const lines = readFileSync(path.join(corpus, 'throughput/observations-2000.ndjson'), 'utf8').trim().split('\n');
    this.samples = lines.map((line) => JSON.parse(line) as Resource);
  }

  /** What transactions write of one type. */
  ofType(type: string): readonly Resource[] {
    return this.transactions.flatMap(({ resources }) => resources.filter(({ resourceType }) => resourceType === type));
  }

  /** The next of the transactions, again and again; and how many resources it writes. */
  transaction(): { readonly request: LoadRequest; readonly resources: number } {
    const { request, resources } = this.transactions[this.turn % this.transactions.length];
    this.turn += 1;
    return { request, resources: resources.length };
  }

  /** The i-th creation of an Observation. @param patients as `Patient/id`. */
  creation(patients: readonly string[], index: number): LoadRequest {
    const sample = this.samples[index % this.samples.length];
    const observation = { ...sample, id: undefined, encounter: undefined, performer: undefined };
    return post('/Observation', JSON.stringify({ ...observation, subject: { reference: pick(patients, index) } }));
  }
}
