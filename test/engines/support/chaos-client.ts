/**
 * Clients of the chaos test: each writes resources that nobody else writes, remembers what was acknowledged, and checks every answer against that.
 *
 * An answer that did not come, or a 5xx that tells of something that is away, leaves open whether a write took effect: both are right from then on.
 * Everything else that contradicts what was acknowledged is noted as wrong.
 */
import { randomUUID } from 'node:crypto';

export interface Answer {
  /** 0: none came. */
  readonly status: number;
  readonly etag: string;
  // eslint-disable-next-line @typescript-eslint/no-explicit-any
  readonly body: any;
}

/** Sends a request to one of the servers. */
export type Send = (method: string, url: string, body?: unknown, headers?: Record<string, string>) => Promise<Answer>;

export interface Tally {
  acknowledged: number;
  /** Answers 409 (others kept writing first), 429, 503, 507, or none. */
  unavailable: number;
  /** How often which answer told so. */
  readonly reasons: Map<string, number>;
  checked: number;
  readonly wrong: string[];
}

const away = new Set([0, 409, 429, 503, 507]);

export function isAway({ status }: Answer): boolean {
  return away.has(status);
}

/** Counts an answer that tells of something that is away, or of none. */
export function unavailable(tally: Tally, { status, body }: Answer): void {
  tally.unavailable += 1;
  const reason = `${status} ${(body?.issue?.[0]?.diagnostics as string | undefined)?.slice(0, 80) ?? ''}`;
  tally.reasons.set(reason, (tally.reasons.get(reason) ?? 0) + 1);
}

/** Notes an answer that should not have come. */
export function wrong(tally: Tally, what: string, { status, body }: Answer): void {
  tally.wrong.push(`${what}: ${status} ${JSON.stringify(body)?.slice(0, 600)}`);
}

/** What a register keeps its value in. */
export interface Holder {
  readonly resourceType: string;
  /** What holds `value`, without its id. */
  content(value: string): object;
  // eslint-disable-next-line @typescript-eslint/no-explicit-any
  valueOf(resource: any): string;
}

const inFamilyName: Holder = {
  resourceType: 'Patient',
  content: (value) => ({ name: [{ family: value }] }),
  valueOf: ({ name }) => name[0].family as string,
};

/** A resource that counts: every update names the version that it replaces, so a late one cannot hurt. */
export class Register {
  private id = '';
  private version = 0;
  private value = '';
  /** Updates of `version` of which nobody knows whether they took effect. */
  private pending: string[] = [];

  constructor(
    private readonly tally: Tally,
    private readonly holder = inFamilyName,
  ) {}

  /** What it holds, when that is known. */
  get known(): string | undefined {
    return this.version > 0 && this.pending.length === 0 ? this.value : undefined;
  }

  async write(send: Send, value = `v${this.version + 1}-${randomUUID().slice(0, 8)}`): Promise<void> {
    if (this.version === 0) this.id = `register-${randomUUID()}`;
    const { resourceType } = this.holder;
    const resource = { resourceType, id: this.id, ...this.holder.content(value) };
    const condition: Record<string, string> = this.version > 0 ? { 'If-Match': `W/"${this.version}"` } : {};
    const answer = await send('PUT', `${resourceType}/${this.id}`, resource, condition);
    if (isAway(answer)) {
      unavailable(this.tally, answer);
      // One that is not known to be there is given up: the next has another name.
      if (this.version > 0) this.pending.push(value);
    } else if (answer.status === 200 || answer.status === 201) {
      if (numberOf(answer.etag) !== this.version + 1) wrong(this.tally, `${this.id}: made ${answer.etag}`, answer);
      [this.version, this.value, this.pending] = [this.version + 1, value, []];
      this.tally.acknowledged += 1;
    } else if (answer.status === 412 && this.pending.length > 0) await this.check(send);
    else wrong(this.tally, `${this.id}: PUT after version ${this.version}`, answer);
  }

  async check(send: Send): Promise<void> {
    if (this.version === 0) return;
    const answer = await send('GET', `${this.holder.resourceType}/${this.id}`);
    if (isAway(answer)) {
      unavailable(this.tally, answer);
      return;
    }
    this.tally.checked += 1;
    const version = answer.status === 200 ? numberOf(answer.etag) : 0;
    const value: string = answer.status === 200 ? this.holder.valueOf(answer.body) : '';
    if (version === this.version && value === this.value) return;
    if (version === this.version + 1 && this.pending.includes(value)) {
      [this.version, this.value, this.pending] = [version, value, []];
      return;
    }
    const expected = `version ${this.version} "${this.value}" or one of ${JSON.stringify(this.pending)}`;
    wrong(this.tally, `${this.id}: expected ${expected}`, answer);
  }
}

/** Transactions of three: all of one is there, or nothing. */
export class Transactions {
  private readonly acknowledged: string[] = [];
  private readonly open: string[] = [];

  constructor(private readonly tally: Tally) {}

  async write(send: Send): Promise<void> {
    const tag = `tx-${randomUUID()}`;
    const resource = { resourceType: 'Observation', status: 'final', code: { text: tag } };
    const entry = Array.from({ length: 3 }, () => ({ resource, request: { method: 'POST', url: 'Observation' } }));
    const answer = await send('POST', '', { resourceType: 'Bundle', type: 'transaction', entry });
    if (isAway(answer)) {
      unavailable(this.tally, answer);
      this.open.push(tag);
    } else if (answer.status === 200) {
      this.tally.acknowledged += 3;
      this.acknowledged.push(tag);
    } else wrong(this.tally, 'transaction', answer);
  }

  /** One of them, or all. */
  async check(send: Send, all = false): Promise<void> {
    const tags = [...this.acknowledged, ...this.open];
    for (const tag of all ? tags : tags.slice(-1)) {
      const answer = await send('GET', `Observation?code:text=${tag}`);
      if (isAway(answer)) {
        unavailable(this.tally, answer);
        continue;
      }
      this.tally.checked += 1;
      const found = answer.body?.entry?.length ?? 0;
      const isRight = answer.status === 200 && (found === 3 || (found === 0 && this.open.includes(tag)));
      if (!isRight) wrong(this.tally, `${tag}: ${found} of 3`, answer);
    }
  }
}

/** The same conditional create on both servers at once: one resource, whoever answers what. */
export class ConditionalCreates {
  private readonly acknowledged = new Map<string, string>();
  private readonly asked: string[] = [];

  constructor(private readonly tally: Tally) {}

  async write(senders: readonly Send[]): Promise<void> {
    const value = randomUUID();
    const resource = { resourceType: 'Patient', identifier: [{ system: 'urn:chaos', value }] };
    const condition = { 'If-None-Exist': `identifier=urn:chaos|${value}` };
    this.asked.push(value);
    const answers = await Promise.all(
      [...senders, ...senders].map((send) => send('POST', 'Patient', resource, condition)),
    );
    for (const answer of answers) {
      if (isAway(answer)) unavailable(this.tally, answer);
      else if (answer.status !== 201 && answer.status !== 200) wrong(this.tally, 'conditional create', answer);
      else {
        const known = this.acknowledged.get(value) ?? answer.body.id;
        if (known !== answer.body.id) wrong(this.tally, `${value} was made twice: ${known}`, answer);
        this.acknowledged.set(value, known);
        this.tally.acknowledged += answer.status === 201 ? 1 : 0;
      }
    }
  }

  async check(send: Send, all = false): Promise<void> {
    for (const value of all ? this.asked : this.asked.slice(-1)) {
      const answer = await send('GET', `Patient?identifier=urn:chaos|${value}`);
      if (isAway(answer)) {
        unavailable(this.tally, answer);
        continue;
      }
      this.tally.checked += 1;
      const ids = (answer.body?.entry ?? []).map(({ resource }: { resource: { id: string } }) => resource.id);
      const known = this.acknowledged.get(value);
      const isRight = answer.status === 200 && (known === undefined ? ids.length <= 1 : ids.join() === known);
      if (!isRight) wrong(this.tally, `${value}: found ${ids.join()}, acknowledged ${known}`, answer);
    }
  }
}

/** Deleted is deleted. */
export class Deletions {
  private readonly gone: string[] = [];

  constructor(private readonly tally: Tally) {}

  async write(send: Send): Promise<void> {
    const id = `deleted-${randomUUID()}`;
    const made = await send('PUT', `Patient/${id}`, { resourceType: 'Patient', id });
    if (isAway(made)) {
      unavailable(this.tally, made);
      return;
    }
    if (made.status !== 201) wrong(this.tally, `PUT ${id}`, made);
    const answer = await send('DELETE', `Patient/${id}`);
    if (isAway(answer)) unavailable(this.tally, answer);
    else if (answer.status === 204 || answer.status === 200) {
      this.tally.acknowledged += 2;
      this.gone.push(id);
    } else wrong(this.tally, `DELETE ${id}`, answer);
  }

  async check(send: Send, all = false): Promise<void> {
    for (const id of all ? this.gone : this.gone.slice(-1)) {
      const answer = await send('GET', `Patient/${id}`);
      if (isAway(answer)) {
        unavailable(this.tally, answer);
        continue;
      }
      this.tally.checked += 1;
      if (answer.status !== 410) wrong(this.tally, `${id} was deleted`, answer);
    }
  }
}

function numberOf(etag: string): number {
  return Number(/^W\/"(\d+)"$/.exec(etag)?.[1] ?? NaN);
}
