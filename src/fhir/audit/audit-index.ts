/**
 * Which parts of the access log can hold what is looked for: a small summary of each thousand records, made when it is first needed.
 *
 * In memory alone, about four bytes a record. A summary may say "perhaps" where nothing is, never "no" where something is.
 */
import type { AccessLog, AccessRecord } from '../../commit/access-log.js';

/** What every record that is looked for has; an absent member is not asked for. */
export interface Wanted {
  /** One of these patients (ids). */
  readonly patients?: readonly string[];
  /** One of these actors, e.g. `Practitioner/1`. */
  readonly actors?: readonly string[];
  /** One of these resources, `Type/id`. */
  readonly entities?: readonly string[];
  readonly outcome?: AccessRecord['outcome'];
  /** What kind of event it is, by the interaction alone. */
  isKind?(interaction: string): boolean;
  /** Milliseconds since 1970, [from, until). */
  readonly from?: number;
  readonly until?: number;
}

const partRecords = 1_000;
const filterBits = 1 << 15;

interface Part {
  readonly first: number;
  readonly count: number;
  readonly earliest: number;
  readonly latest: number;
  /** Which there are: few, whatever the number of records. */
  readonly interactions: ReadonlySet<string>;
  readonly filter: Uint8Array;
}

export class AuditIndex {
  readonly #log: Pick<AccessLog, 'read' | 'head'>;
  readonly #parts: Part[] = [];
  #running: Promise<void> | undefined;

  constructor(log: Pick<AccessLog, 'read' | 'head'>) {
    this.#log = log;
  }

  /**
   * Records that are what is wanted, newest first, numbers in [0, before).
   * @throws AccessLogBroken when the log was altered.
   */
  async *newest(before: number, wanted: Wanted): AsyncGenerator<{ number: number; record: AccessRecord }> {
    await this.#catchUp();
    const summarised = this.#parts.length * partRecords;
    if (before > summarised) yield* this.#within(summarised, before, wanted);
    for (let index = this.#parts.length - 1; index >= 0; index -= 1) {
      const part = this.#parts[index] as Part;
      if (part.first < before && mayHold(part, wanted)) {
        yield* this.#within(part.first, Math.min(before, part.first + part.count), wanted);
      }
    }
  }

  async *#within(from: number, until: number, wanted: Wanted) {
    const records = await this.#log.read(from, until);
    for (let at = records.length - 1; at >= 0; at -= 1) {
      const record = records[at] as AccessRecord;
      if (isWanted(record, wanted)) yield { number: from + at, record };
    }
  }

  /** Summarises what is whole and new. */
  async #catchUp(): Promise<void> {
    while (this.#running !== undefined) await this.#running;
    this.#running = this.#summarise().finally(() => (this.#running = undefined));
    await this.#running;
  }

  async #summarise(): Promise<void> {
    for (;;) {
      const first = this.#parts.length * partRecords;
      if (first + partRecords > this.#log.head().count) return;
      this.#parts.push(partOf(first, await this.#log.read(first, first + partRecords)));
    }
  }
}

function partOf(first: number, records: readonly AccessRecord[]): Part {
  const filter = new Uint8Array(filterBits / 8);
  let [earliest, latest] = [Infinity, -Infinity];
  const interactions = new Set<string>();
  for (const { time, actor, patients, entities, interaction } of records) {
    interactions.add(interaction);
    earliest = Math.min(earliest, time);
    latest = Math.max(latest, time);
    for (const key of [
      `a|${actor}`,
      ...patients.map((id) => `p|${id}`),
      ...entities.map((name) => `e|${plain(name)}`),
    ]) {
      for (const bit of bitsOf(key)) filter[bit >> 3] |= 1 << (bit & 7);
    }
  }
  return { first, count: records.length, earliest, latest, interactions, filter };
}

function mayHold(part: Part, { patients, actors, entities, from, until, isKind }: Wanted): boolean {
  if (from !== undefined && part.latest < from) return false;
  if (until !== undefined && part.earliest >= until) return false;
  if (isKind !== undefined && ![...part.interactions].some((interaction) => isKind(interaction))) return false;
  const has = (key: string) => bitsOf(key).every((bit) => ((part.filter[bit >> 3] as number) & (1 << (bit & 7))) !== 0);
  return (
    (patients === undefined || patients.some((id) => has(`p|${id}`))) &&
    (actors === undefined || actors.some((actor) => has(`a|${actor}`))) &&
    (entities === undefined || entities.some((name) => has(`e|${name}`) || has(`p|${name.replace(/^Patient\//, '')}`)))
  );
}

function isWanted(record: AccessRecord, wanted: Wanted): boolean {
  const { patients, actors, entities, outcome, from, until, isKind } = wanted;
  return (
    (outcome === undefined || record.outcome === outcome) &&
    (isKind === undefined || isKind(record.interaction)) &&
    (from === undefined || record.time >= from) &&
    (until === undefined || record.time < until) &&
    (patients === undefined || patients.some((id) => record.patients.includes(id))) &&
    (actors === undefined || actors.includes(record.actor)) &&
    (entities === undefined ||
      record.entities.some((name) => entities.includes(plain(name))) ||
      record.patients.some((id) => entities.includes(`Patient/${id}`)))
  );
}

/** `Type/id` without version. */
function plain(name: string): string {
  const at = name.indexOf('/_history/');
  return at < 0 ? name : name.slice(0, at);
}

/** Three places in the filter: FNV-1a, taken apart. */
function bitsOf(key: string): number[] {
  let hash = 0x811c9dc5;
  for (let at = 0; at < key.length; at += 1) hash = Math.imul(hash ^ key.charCodeAt(at), 0x01000193);
  const step = (Math.imul(hash ^ (hash >>> 15), 0x2c1b3c6d) >>> 0) | 1;
  return [0, 1, 2].map((round) => ((hash >>> 0) + round * step) % filterBits);
}
