/** A consent that is filed and revoked again and again: once a revocation is acknowledged, the reader is refused by every server. */
import { randomUUID } from 'node:crypto';
import { setTimeout as pause } from 'node:timers/promises';
import {
  isAway,
  Register,
  unavailable,
  wrong,
  type Answer,
  type Holder,
  type Send,
  type Tally,
} from './chaos-client.js';

/** Whom the consent is about. */
export const reader = 'Practitioner/chaos-reader';

export class Consents {
  private patient = '';
  private consent: Register | undefined;

  /** @param readerToken of `reader`. */
  constructor(
    private readonly tally: Tally,
    private readonly readerToken: string,
  ) {}

  /** Files it, or revokes what is filed. */
  async write(send: Send): Promise<void> {
    if (this.consent === undefined) await this.begin(send);
    else if (this.consent.known === undefined) await this.consent.check(send);
    else await this.consent.write(send, `${this.isFiled ? 'inactive' : 'active'} ${randomUUID()}`);
  }

  /** @param atTheEnd nothing is away any more: what is filed permits, as soon as it is mined. */
  async check(send: Send, atTheEnd = false): Promise<void> {
    if (atTheEnd) await this.consent?.check(send);
    // A revocation whose answer did not come may have happened, and so may a filing.
    const known = this.consent?.known;
    if (known === undefined) return;
    let answer = await this.read(send);
    for (let tries = 0; atTheEnd && this.isFiled && answer.status === 404 && tries < 300; tries += 1) {
      await pause(100);
      answer = await this.read(send);
    }
    if (isAway(answer)) {
      unavailable(this.tally, answer);
      return;
    }
    this.tally.checked += 1;
    const right = this.isFiled ? (atTheEnd ? [200] : [200, 404]) : [404];
    if (!right.includes(answer.status)) wrong(this.tally, `${this.patient} was read under "${known}"`, answer);
  }

  private get isFiled(): boolean {
    return this.consent?.known?.startsWith('active') ?? false;
  }

  private read(send: Send): Promise<Answer> {
    return send('GET', `Patient/${this.patient}`, undefined, { Authorization: `Bearer ${this.readerToken}` });
  }

  /** A patient, and her consent. One that may be there or not is left alone, and its patient with it. */
  private async begin(send: Send): Promise<void> {
    this.patient = `consenting-${randomUUID()}`;
    const made = await send('PUT', `Patient/${this.patient}`, { resourceType: 'Patient', id: this.patient });
    if (isAway(made)) {
      unavailable(this.tally, made);
      return;
    }
    if (made.status !== 201) wrong(this.tally, `PUT ${this.patient}`, made);
    const consent = new Register(this.tally, permitting(this.patient));
    await consent.write(send, `active ${randomUUID()}`);
    if (consent.known !== undefined) this.consent = consent;
  }
}

/** A consent that permits the reader while it is active; its identifier holds the value. */
function permitting(patient: string): Holder {
  const coded = (system: string, code: string) => ({ coding: [{ system, code }] });
  return {
    resourceType: 'Consent',
    content: (value) => ({
      status: value.split(' ')[0],
      identifier: [{ value }],
      scope: coded('http://terminology.hl7.org/CodeSystem/consentscope', 'patient-privacy'),
      category: [coded('http://loinc.org', '59284-0')],
      patient: { reference: `Patient/${patient}` },
      dateTime: '2026-01-01',
      policyRule: coded('http://terminology.hl7.org/CodeSystem/v3-ActCode', 'OPTOUT'),
      provision: { type: 'permit', actor: [{ role: { text: 'reader' }, reference: { reference: reader } }] },
    }),
    valueOf: ({ identifier }) => identifier[0].value as string,
  };
}
