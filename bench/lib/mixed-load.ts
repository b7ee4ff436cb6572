/** What a hospital's day asks for, in small: reads, searches, creates, updates, deletions, transactions, consents, always over as many resources. */
import type { LoadRequest } from './load.js';

type Send = (request: LoadRequest) => Promise<string>;

const jsonOf = (text: string) => JSON.parse(text) as { id?: string; entry?: { response: { location: string } }[] };

/** Shares of a hundred. */
const shares = { read: 45, search: 25, history: 5, create: 12, update: 6, transaction: 2, consent: 1, metadata: 4 };
type Kind = keyof typeof shares;

/** So many Observations are held from the beginning: the oldest is deleted for each that comes. */
const mostKept = 1_000;
const atOnce = 10;

export class MixedLoad {
  private readonly patients: string[] = [];
  private readonly observations: string[] = [];
  private readonly counts = new Map<Kind, number>();

  constructor(private readonly send: Send) {}

  /** Patients to begin with, and as many Observations as there are from then on. */
  async fill(patients: number): Promise<void> {
    for (let index = 0; index < patients; index += 1) {
      const { id } = jsonOf(await this.post('Patient', patient(index)));
      this.patients.push(`Patient/${id}`);
    }
    for (let index = 0; index < mostKept / atOnce; index += 1) await this.transaction(index);
  }

  /** The request of this number, answered. */
  async next(index: number): Promise<void> {
    const kind = kindOf(index);
    this.counts.set(kind, (this.counts.get(kind) ?? 0) + 1);
    await this.acts[kind](index);
  }

  /** `summary` tells what comes from here on. */
  countAnew(): void {
    this.counts.clear();
  }

  summary(): string {
    return [...this.counts].map(([kind, count]) => `${kind} ${count}`).join(', ');
  }

  private readonly acts: Record<Kind, (index: number) => Promise<unknown>> = {
    read: (index) => this.get(pick(this.patients, index)),
    search: (index) =>
      this.get(
        index % 3 === 0
          ? `Patient?family=Soak${index % 500}`
          : `Observation?patient=${pick(this.patients, index)}&code=http://loinc.org|8302-2&_sort=-_lastUpdated&_count=10`,
      ),
    history: (index) => this.get(`${pick(this.patients, index)}/_history`),
    create: (index) => this.create(index),
    update: (index) => {
      const place = pick(this.patients, index);
      return this.send({
        method: 'PUT',
        path: `/fhir/${place}`,
        body: JSON.stringify({ ...patient(index), id: place.slice(8) }),
      });
    },
    transaction: (index) => this.transaction(index),
    consent: (index) => this.post('Consent', consent(pick(this.patients, index))),
    metadata: () => this.get('metadata'),
  };

  private get(target: string): Promise<string> {
    return this.send({ method: 'GET', path: `/fhir/${target.replaceAll('|', '%7C')}` });
  }

  private post(type: string, resource: object): Promise<string> {
    return this.send({ method: 'POST', path: `/fhir/${type}`, body: JSON.stringify(resource) });
  }

  private async create(index: number): Promise<void> {
    const { id } = jsonOf(await this.post('Observation', observation(pick(this.patients, index), index)));
    await this.hold([`Observation/${id}`]);
  }

  /** As many old ones go as are too many. */
  private async hold(places: readonly string[]): Promise<void> {
    this.observations.push(...places);
    while (this.observations.length > mostKept) {
      await this.send({ method: 'DELETE', path: `/fhir/${this.observations.shift()!}` });
    }
  }

  private async transaction(index: number): Promise<void> {
    const entry = Array.from({ length: atOnce }, (_, at) => ({
      resource: observation(pick(this.patients, index + at), index),
      request: { method: 'POST', url: 'Observation' },
    }));
    const body = JSON.stringify({ resourceType: 'Bundle', type: 'transaction', entry });
    const answer = jsonOf(await this.send({ method: 'POST', path: '/fhir', body }));
    await this.hold(answer.entry?.map(({ response }) => response.location.split('/').slice(-4, -2).join('/')) ?? []);
  }
}

function kindOf(index: number): Kind {
  let place = (index * 37) % 100;
  for (const [kind, share] of Object.entries(shares)) {
    place -= share;
    if (place < 0) return kind as Kind;
  }
  return 'read';
}

function pick<T>(list: readonly T[], index: number): T {
  return list[(index * 7_919) % list.length]!;
}

const patient = (index: number) => ({
  resourceType: 'Patient',
  name: [{ family: `Soak${index % 500}`, given: ['Pat'] }],
  birthDate: `19${10 + (index % 80)}-01-01`,
});

const observation = (subject: string, index: number) => ({
  resourceType: 'Observation',
  status: 'final',
  code: { coding: [{ system: 'http://loinc.org', code: index % 2 === 0 ? '8302-2' : '29463-7' }] },
  subject: { reference: subject },
  effectiveDateTime: `20${10 + (index % 16)}-03-04T05:06:07Z`,
  valueQuantity: { value: 100 + (index % 90), unit: 'cm', system: 'http://unitsofmeasure.org', code: 'cm' },
});

const coded = (system: string, code: string) => ({ coding: [{ system, code }] });

const consent = (reference: string) => ({
  resourceType: 'Consent',
  status: 'active',
  scope: coded('http://terminology.hl7.org/CodeSystem/consentscope', 'patient-privacy'),
  category: [coded('http://loinc.org', '59284-0')],
  patient: { reference },
  dateTime: '2026-01-01T00:00:00Z',
  policyRule: coded('http://terminology.hl7.org/CodeSystem/v3-ActCode', 'OPTIN'),
  provision: { type: 'permit' },
});
