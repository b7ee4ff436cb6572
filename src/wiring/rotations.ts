/**
 * Runs rotations of keys beside the requests: one at a time, gone on with after a restart. Of several servers one rotates; when it dies, another
 * goes on.
 */
import { parseJson } from '../base/json.js';
import { fhirError } from '../base/outcome.js';
import type { Resource } from '../base/resource.js';
import type { Catalog, VersionRow } from '../commit/catalog.js';
import type { Committer } from '../commit/committer.js';
import type { Records } from '../commit/records.js';
import { rotateIndex } from '../commit/rotate-index.js';
import { rotateCompartments, rotateMaster } from '../commit/rotate-keys.js';
import { readRotation, type RotatedKey, type RotationState } from '../commit/rotation.js';
import type { SearchContext } from '../fhir/search/context.js';
import { extractorOf } from '../fhir/search/rotating-extractor.js';
import type { KeyRing } from '../vault/key-ring.js';
import type { IndexBlinder } from '../vault/index-blinder.js';
import type { Vault } from '../vault/vault.js';

export interface RotationParts {
  readonly catalog: Catalog;
  readonly keyRing: KeyRing;
  readonly vault: Vault;
  readonly blinder: IndexBlinder;
  readonly records: Records;
  readonly committer: Pick<Committer, 'alone'>;
  readonly search: SearchContext;
  /** How long other servers may take over what they began with the keys of before; 0 where this is the only one. */
  readonly graceMs: number;
  readonly onProblem: (error: unknown) => void;
}

export interface RotationStatus {
  readonly running?: RotationState;
  /** What ended the last one before its time. */
  readonly failure?: string;
  /** The last one that ended well since the start of this server. */
  readonly done?: RotatedKey;
}

class RotationStopped extends Error {
  override readonly name = 'RotationStopped';
}

/** Who of several servers rotates. */
const lead = 'rotation';
/** How often a server looks whether the one that rotates has died. */
const watchMs = 2_000;

export class Rotations {
  private running: Promise<void> | undefined;
  private watch: NodeJS.Timeout | undefined;
  private isClosed = false;
  private failure: string | undefined;
  private done: RotatedKey | undefined;

  constructor(private readonly parts: RotationParts) {}

  /** Goes on with what a stop or a crash left, here or, later, of another server. */
  async resume(): Promise<void> {
    await this.goOn();
    if (this.parts.catalog.locks === undefined) return;
    this.watch = setInterval(() => void this.goOn().catch(() => undefined), watchMs).unref();
  }

  /** @throws FhirError 409 when one is under way. */
  async start(key: RotatedKey): Promise<void> {
    const state = await readRotation(this.parts.catalog);
    if (state !== undefined && (this.running !== undefined || state.key !== key)) {
      throw fhirError(409, 'conflict', `The rotation of ${state.key} is under way; one rotation at a time.`);
    }
    if (this.running !== undefined || !(await this.leads())) {
      throw fhirError(409, 'conflict', 'A rotation is under way; one at a time.');
    }
    this.run(key);
  }

  async status(): Promise<RotationStatus> {
    const running = await readRotation(this.parts.catalog);
    return {
      ...(running === undefined ? {} : { running }),
      ...(this.failure === undefined ? {} : { failure: this.failure }),
      ...(this.done === undefined ? {} : { done: this.done }),
    };
  }

  /** Resolves when no rotation runs; what is left is gone on with by the next start. */
  async close(): Promise<void> {
    this.isClosed = true;
    clearInterval(this.watch);
    await this.running;
  }

  /** Resolves when the rotation under way has ended. */
  async settled(): Promise<void> {
    await this.running;
  }

  private async goOn(): Promise<void> {
    if (this.running !== undefined || this.isClosed) return;
    const state = await readRotation(this.parts.catalog);
    if (state === undefined || !(await this.leads())) return;
    if (this.running === undefined && !this.isClosed) this.run(state.key);
  }

  private leads(): Promise<boolean> {
    return this.parts.catalog.locks?.leads(lead) ?? Promise.resolve(true);
  }

  private run(key: RotatedKey): void {
    this.failure = undefined;
    this.done = undefined;
    const rotation = this.rotate(key)
      .then(() => {
        this.done = key;
      })
      .catch((error: unknown) => {
        if (error instanceof RotationStopped) return;
        this.failure = (error as Error).name;
        this.parts.onProblem(error);
      })
      .finally(async () => {
        await this.parts.catalog.locks?.release(lead).catch(() => undefined);
        this.running = undefined;
      });
    this.running = rotation;
  }

  private rotate(key: RotatedKey): Promise<void> {
    const onProgress = async () => {
      if (this.isClosed || !(await this.leads())) throw new RotationStopped();
    };
    const services = { ...this.parts, onProgress };
    if (key === 'master') return rotateMaster(services);
    if (key === 'compartments') return rotateCompartments(services);
    return rotateIndex({ ...services, indexed: (row, generations) => this.indexed(row, generations) });
  }

  private async indexed(row: VersionRow, generations: readonly number[]) {
    const { records, search, blinder, catalog } = this.parts;
    if (row.isDeleted) return undefined;
    let json: Uint8Array;
    try {
      json = await records.open(row);
    } catch (error) {
      const [again] = await catalog.versionsByLeaf(row.leafIndex, row.leafIndex + 1);
      if (again?.isErased) return undefined;
      throw error;
    }
    const resource = parseJson(Buffer.from(json).toString('utf8')) as unknown as Resource;
    return generations.map((generation) => extractorOf(search, blinder, generation).entries(resource));
  }
}
