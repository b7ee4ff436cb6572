/**
 * What this server filed for its patients, and what it still has to do: kept in the catalog's state, blinded, one entry a patient.
 *
 * Durability: `save` is durable when it resolves. The change is visible to readers of this process at once.
 */
import type { Hex } from '../chain/chain.js';
import type { Catalog } from '../commit/catalog.js';

/** One policy of one version of a Consent. */
export interface Filing {
  /** Blinded id of the Consent. */
  readonly consent: string;
  readonly policy: Hex;
  /** The policy itself, base64. */
  readonly bytes: string;
  /** What is wanted in the end. */
  wanted: 'active' | 'revoked';
  /** `queued`: not sent. `sent`: its filing was sent. `active`: its filing was mined. `revoking`: its revocation was sent. */
  status: 'queued' | 'sent' | 'active' | 'revoking';
  /** Index on the chain, from when the filing is signed. */
  index?: number;
  /** Signature of the patient's own key over the filing, where she gave one. */
  signature?: { readonly r: Hex; readonly vs: Hex; readonly index: number; readonly deadline: number };
  /** The same for the revocation. */
  revocation?: { readonly r: Hex; readonly vs: Hex };
}

/** A transaction that was signed, stored, and then sent. */
export interface SentTransaction {
  readonly patient: Hex;
  readonly policy: Hex;
  readonly kind: 'file' | 'revoke';
  readonly nonce: number;
  readonly raw: Hex;
  readonly txHash: Hex;
}

export interface Outbox {
  /** Patients with work to do. */
  readonly patients: readonly Hex[];
  readonly sent: readonly SentTransaction[];
}

type State = Pick<Catalog, 'getState' | 'putState'>;

export class Ledger {
  readonly #state: State;
  readonly #filings = new Map<Hex, Filing[]>();
  readonly #work = new Set<Hex>();
  #sent: readonly SentTransaction[] = [];
  #tail: Promise<unknown> = Promise.resolve();

  private constructor(state: State) {
    this.#state = state;
  }

  static async open(state: State): Promise<Ledger> {
    const ledger = new Ledger(state);
    const outbox = await read<Outbox>(state, 'consent/outbox');
    for (const patient of outbox?.patients ?? []) {
      ledger.#work.add(patient);
      await ledger.load(patient);
    }
    ledger.#sent = outbox?.sent ?? [];
    return ledger;
  }

  /** Patients with work to do, in the order in which it came. */
  get work(): readonly Hex[] {
    return [...this.#work];
  }

  get sent(): readonly SentTransaction[] {
    return this.#sent;
  }

  /** Runs what changes filings one at a time. Never waits for the chain inside: a commit waits for its turn. */
  inTurn<T>(task: () => Promise<T>): Promise<T> {
    const result = this.#tail.then(task);
    this.#tail = result.catch(() => undefined);
    return result;
  }

  /** Filings of a patient who has work to do, or was loaded lately; synchronous, for the hot path. */
  pending(patient: Hex): readonly Filing[] | undefined {
    return this.#work.has(patient) ? this.#filings.get(patient) : undefined;
  }

  async load(patient: Hex): Promise<Filing[]> {
    let filings = this.#filings.get(patient);
    if (filings === undefined) {
      filings = (await read<Filing[]>(this.#state, `consent/patient/${patient}`)) ?? [];
      // Somebody else may have loaded them meanwhile: all must share one list.
      filings = this.#filings.get(patient) ?? filings;
      this.#filings.set(patient, filings);
    }
    return filings;
  }

  /** As `load`, without remembering them. */
  async read(patient: Hex): Promise<readonly Filing[]> {
    return this.#filings.get(patient) ?? (await read<Filing[]>(this.#state, `consent/patient/${patient}`)) ?? [];
  }

  /** Patient of a Consent that was filed. */
  async patientOf(consent: string): Promise<Hex | undefined> {
    const stored = await this.#state.getState(`consent/consent/${consent}`);
    return stored === undefined ? undefined : (Buffer.from(stored).toString('utf8') as Hex);
  }

  async savePatientOf(consent: string, patient: Hex): Promise<void> {
    if ((await this.patientOf(consent)) === patient) return;
    await this.#state.putState(`consent/consent/${consent}`, Buffer.from(patient));
  }

  /** A patient has work to do: what is pending shows at once; durable with the next `save`. */
  begin(patient: Hex): void {
    this.#work.add(patient);
  }

  /** Writes a patient's filings, then the outbox if it changed. A crash in between leaves her without work: `reconcile` finds it. */
  async save(patient: Hex): Promise<void> {
    const filings = this.#filings.get(patient) ?? [];
    await write(this.#state, `consent/patient/${patient}`, filings);
    await this.#saveOutbox();
  }

  async saveSent(sent: readonly SentTransaction[]): Promise<void> {
    this.#sent = sent;
    await this.#saveOutbox();
  }

  /** Nothing is left to do for these patients. */
  async finish(patients: readonly Hex[]): Promise<void> {
    for (const patient of patients) {
      this.#work.delete(patient);
      // Read again when they are asked for: the map stays as small as the work.
      this.#filings.delete(patient);
    }
    await this.#saveOutbox();
  }

  /** Nothing of this patient is known or waited for any more. */
  async forget(patient: Hex): Promise<void> {
    this.#sent = this.#sent.filter((sent) => sent.patient !== patient);
    await this.finish([patient]);
  }

  #saveOutbox(): Promise<void> {
    const outbox: Outbox = { patients: [...this.#work], sent: this.#sent };
    return write(this.#state, 'consent/outbox', outbox);
  }
}

async function read<T>(state: State, key: string): Promise<T | undefined> {
  const stored = await state.getState(key);
  return stored === undefined ? undefined : (JSON.parse(Buffer.from(stored).toString('utf8')) as T);
}

async function write(state: State, key: string, value: unknown): Promise<void> {
  await state.putState(key, Buffer.from(JSON.stringify(value)));
}
