/**
 * Which search parameters the index knows for every version, and which came late.
 *
 * A parameter that is uploaded, or brought by a package, when there are resources already has no terms for these. Until everything is indexed
 * anew ($reindex), searches by it open their candidates. What is indexed is remembered by blinded names of definitions in the catalog.
 */
import type { Catalog } from '../../commit/catalog.js';
import type { SearchParameter } from '../definitions/types.js';
import type { TermSource } from '../search/blind.js';

type State = Pick<Catalog, 'head' | 'getState' | 'putState'>;

const stateKey = 'search/indexed';
const nameBytes = 16;

/**
 * `always`: from the first resource on. `anew`: since everything was indexed anew. `underWay`: a job for it runs, and it was in force all the time
 * since that began; kept, so that a job that goes on after a restart knows what it may still call indexed.
 */
const standings = ['always', 'anew', 'underWay'] as const;
type Standing = (typeof standings)[number];

export class LateParameters {
  private readonly names = new WeakMap<SearchParameter, string>();
  private last: Promise<unknown> = Promise.resolve();

  private constructor(
    private readonly catalog: State,
    private readonly blinder: TermSource,
    private inForce: readonly SearchParameter[],
    /** By name; those that are not here are late, and no job has begun for them. */
    private standing: ReadonlyMap<string, Standing>,
  ) {}

  /**
   * @param shipped definitions that are in force before uploads: indexed from the first resource on when the store is new.
   * @param inForce uploads included.
   */
  static async open(
    catalog: State,
    blinder: TermSource,
    shipped: readonly SearchParameter[],
    inForce: readonly SearchParameter[],
  ): Promise<LateParameters> {
    const stored = await catalog.getState(stateKey);
    const known = stored === undefined ? [] : unpacked(stored);
    const late = new LateParameters(catalog, blinder, inForce, new Map(known));
    if (stored === undefined) late.standing = new Map(shipped.map((one) => [late.nameOf(one), 'always']));
    late.changed(inForce);
    if (stored === undefined) await late.save();
    await late.settled();
    return late;
  }

  /** True when some resources lack the entries of the parameter. */
  isLate(definition: SearchParameter): boolean {
    const standing = this.standing.get(this.nameOf(definition));
    return standing === undefined || standing === 'underWay';
  }

  /** True when some resources are older than the parameter, indexed anew or not. */
  isYoung(definition: SearchParameter): boolean {
    return this.standing.get(this.nameOf(definition)) !== 'always';
  }

  /** Definitions in force that are not indexed. */
  get missing(): SearchParameter[] {
    return this.inForce.filter((definition) => this.isLate(definition));
  }

  /** Those of them that a job began with, and that were in force ever since. */
  get underWay(): SearchParameter[] {
    return this.inForce.filter((definition) => this.standing.get(this.nameOf(definition)) === 'underWay');
  }

  /** Takes in what is in force now: what no longer is, is not indexed any more, for writes go on without it. */
  changed(inForce: readonly SearchParameter[]): void {
    this.inForce = inForce;
    const names = new Set(inForce.map((one) => this.nameOf(one)));
    const left = [...this.standing].filter(([name]) => names.has(name));
    if (left.length === this.standing.size) return;
    this.standing = new Map(left);
    void this.save().catch(() => undefined);
  }

  /** Takes in what another server indexed meanwhile. */
  async reload(): Promise<void> {
    const stored = await this.catalog.getState(stateKey);
    if (stored === undefined) return;
    this.standing = new Map(unpacked(stored));
    this.changed(this.inForce);
    await this.settled();
  }

  /** Resolves when what is known is durable. */
  async settled(): Promise<void> {
    await this.last;
  }

  /** An indexing of these begins. Durable on resolve. */
  async begin(definitions: readonly SearchParameter[]): Promise<void> {
    const known = [...this.standing].filter(([, standing]) => standing !== 'underWay');
    const begun = definitions.map((one) => [this.nameOf(one), 'underWay'] as const);
    this.standing = new Map([...known, ...begun]);
    await this.save();
  }

  /** The indexing ended well: what stayed in force all the time is indexed. Durable on resolve. */
  async end(): Promise<void> {
    const ended = [...this.standing].map(([name, one]) => [name, one === 'underWay' ? 'anew' : one] as const);
    this.standing = new Map(ended);
    await this.save();
  }

  /** Stands for everything that the entries of a parameter depend on; 32 hexadecimal digits. */
  nameOf(definition: SearchParameter): string {
    let name = this.names.get(definition);
    if (name === undefined) {
      const { url, code, type, base, expression, component } = definition;
      const parts = (component ?? []).map((one) => [one.definition, one.expression]);
      const text = JSON.stringify([url, code, type, base, expression ?? '', parts]);
      name = Buffer.from(this.blinder.term(`SearchParameter ${text}`)).toString('hex');
      this.names.set(definition, name);
    }
    return name;
  }

  private save(): Promise<void> {
    const records = [...this.standing].map(([name, standing]) =>
      Buffer.concat([Buffer.from(name, 'hex'), Buffer.of(standings.indexOf(standing))]),
    );
    const put = () => this.catalog.putState(stateKey, Buffer.concat(records));
    const saved = this.last.then(put, put);
    this.last = saved;
    return saved;
  }
}

/** A blinded name and one byte: its standing. */
function unpacked(bytes: Uint8Array): [string, Standing][] {
  const records: [string, Standing][] = [];
  for (let at = 0; at < bytes.length; at += nameBytes + 1) {
    const name = Buffer.from(bytes.subarray(at, at + nameBytes)).toString('hex');
    records.push([name, standings[bytes[at + nameBytes]]]);
  }
  return records;
}
