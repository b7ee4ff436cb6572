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

type Since = 'always' | 'anew';

export class LateParameters {
  private readonly names = new WeakMap<SearchParameter, string>();
  /** Of an indexing that is under way: as far as they stayed in force all the time. */
  private underWay = new Set<string>();
  private last: Promise<unknown> = Promise.resolve();

  private constructor(
    private readonly catalog: State,
    private readonly blinder: TermSource,
    private inForce: readonly SearchParameter[],
    /** Names, and since when: from the first resource on, or since they were indexed anew. */
    private indexed: ReadonlyMap<string, Since>,
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
    if (stored === undefined) late.indexed = new Map(shipped.map((one) => [late.nameOf(one), 'always']));
    late.changed(inForce);
    if (stored === undefined) await late.save();
    await late.settled();
    return late;
  }

  /** True when some resources lack the entries of the parameter. */
  isLate(definition: SearchParameter): boolean {
    return !this.indexed.has(this.nameOf(definition));
  }

  /** True when some resources are older than the parameter, indexed anew or not. */
  isYoung(definition: SearchParameter): boolean {
    return this.indexed.get(this.nameOf(definition)) !== 'always';
  }

  /** Definitions in force that are not indexed. */
  get missing(): SearchParameter[] {
    return this.inForce.filter((definition) => this.isLate(definition));
  }

  /** Takes in what is in force now: what no longer is, is not indexed any more, for writes go on without it. */
  changed(inForce: readonly SearchParameter[]): void {
    this.inForce = inForce;
    const names = new Set(inForce.map((one) => this.nameOf(one)));
    this.underWay = new Set([...this.underWay].filter((name) => names.has(name)));
    const left = [...this.indexed].filter(([name]) => names.has(name));
    if (left.length === this.indexed.size) return;
    this.indexed = new Map(left);
    void this.save().catch(() => undefined);
  }

  /** Resolves when what is known is durable. */
  async settled(): Promise<void> {
    await this.last;
  }

  /** An indexing of these begins. */
  begin(definitions: readonly SearchParameter[]): void {
    this.underWay = new Set(definitions.map((one) => this.nameOf(one)));
  }

  /** The indexing ended well: what stayed in force all the time is indexed. */
  async end(): Promise<void> {
    const anew = [...this.underWay].filter((name) => !this.indexed.has(name));
    this.indexed = new Map([...this.indexed, ...anew.map((name) => [name, 'anew'] as const)]);
    this.underWay = new Set();
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
    const records = [...this.indexed].map(([name, since]) =>
      Buffer.concat([Buffer.from(name, 'hex'), Buffer.of(since === 'always' ? 0 : 1)]),
    );
    const put = () => this.catalog.putState(stateKey, Buffer.concat(records));
    const saved = this.last.then(put, put);
    this.last = saved;
    return saved;
  }
}

/** A blinded name and one byte: 0 for always, 1 for anew. */
function unpacked(bytes: Uint8Array): [string, Since][] {
  const records: [string, Since][] = [];
  for (let at = 0; at < bytes.length; at += nameBytes + 1) {
    const name = Buffer.from(bytes.subarray(at, at + nameBytes)).toString('hex');
    records.push([name, bytes[at + nameBytes] === 0 ? 'always' : 'anew']);
  }
  return records;
}
