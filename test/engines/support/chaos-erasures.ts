/** Patients that are erased: once that is acknowledged nothing of one opens any more, on any server; until then all of one is there, or nothing. */
import { randomUUID } from 'node:crypto';
import { isAway, unavailable, wrong, type Send, type Tally } from './chaos-client.js';

export class Erasures {
  private readonly gone: string[] = [];
  private readonly open: string[] = [];

  constructor(private readonly tally: Tally) {}

  async write(send: Send): Promise<void> {
    const id = `erased-${randomUUID()}`;
    const subject = { reference: `Patient/${id}` };
    const resources = [
      { resourceType: 'Patient', id, name: [{ family: id }] },
      { resourceType: 'Observation', id, status: 'final', code: { text: id }, subject },
    ];
    const entry = resources.map((resource) => {
      return { resource, request: { method: 'PUT', url: `${resource.resourceType}/${id}` } };
    });
    const made = await send('POST', '', { resourceType: 'Bundle', type: 'transaction', entry });
    if (isAway(made)) {
      unavailable(this.tally, made);
      return;
    }
    if (made.status !== 200) wrong(this.tally, `PUT ${id}`, made);
    this.tally.acknowledged += 2;
    const answer = await send('POST', `Patient/${id}/$erase`);
    if (isAway(answer)) {
      unavailable(this.tally, answer);
      this.open.push(id);
    } else if (answer.status === 200) {
      this.tally.acknowledged += 1;
      this.gone.push(id);
    } else wrong(this.tally, `$erase of ${id}`, answer);
  }

  async check(send: Send, all = false): Promise<void> {
    for (const id of all ? this.gone : this.gone.slice(-1)) {
      const seen = await this.seen(send, id);
      if (seen !== undefined && seen.length > 0) this.tally.wrong.push(`${id} was erased: ${seen.join(', ')}`);
    }
    // While a request may still be on its way, what was seen of one may be of before, and of after.
    for (const id of all ? this.open : []) {
      const seen = await this.seen(send, id);
      if (seen !== undefined && ![0, ways(id).length].includes(seen.length)) {
        this.tally.wrong.push(`${id} is erased in part: ${seen.join(', ')}`);
      }
    }
  }

  /** The ways in that lead to something; undefined when one is away. */
  private async seen(send: Send, id: string): Promise<string[] | undefined> {
    const found: string[] = [];
    for (const url of ways(id)) {
      const answer = await send('GET', url);
      if (isAway(answer)) {
        unavailable(this.tally, answer);
        return undefined;
      }
      this.tally.checked += 1;
      const { status, body } = answer;
      if (status !== 200 && status !== 404) wrong(this.tally, url, answer);
      if (status === 200 && (body.resourceType !== 'Bundle' || body.entry?.length > 0)) found.push(url);
    }
    return found;
  }
}

function ways(id: string): string[] {
  return [
    `Patient/${id}`,
    `Patient/${id}/_history/1`,
    `Patient?family=${id}`,
    `Observation/${id}`,
    `Observation/${id}/_history`,
    `Observation?patient=${id}`,
    `Observation?subject:Patient.family=${id}`,
  ];
}
