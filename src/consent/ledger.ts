/**
 * What this server filed for its patients, and what it still has to do: kept in the catalog's state, blinded, one entry a patient.
 *
 * Durability: `save` is durable when it resolves. The change is visible to readers of this process at once.
 */
import { randomUUID } from 'node:crypto';
import type { Hex } from '../chain/chain.js';
import type { AccountSignature } from '../chain/passkey-signature.js';
import type { Catalog } from '../commit/catalog.js';

/** A signature by the patient's own key over `File`, for the index that `accountOf` tells; `deadline` in seconds since 1970. */
export type FilingSignature = AccountSignature & { readonly index: number; readonly deadline: number };

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
  signature?: FilingSignature;
  /** The same for the revocation. */
  revocation?: AccountSignature;
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
  /** Another text with every change, where several servers look at it. */
  readonly change?: string | undefined;
}

const outboxKey = 'consent/outbox';

type State = Pick<Catalog, 'getState' | 'putState' | 'locks'>;

export class Ledger {
  /** Told what other servers have done. */
  listener: { changed(patient: Hex): void; mined(): Promise<void> } | undefined;
  readonly #state: State;
  readonly #filings = new Map<Hex, Filing[]>();
  readonly #work = new Set<Hex>();
  #sent: readonly SentTransaction[] = [];
  /** The outbox as it was last read or written: tells whether another server changed it. */
  #outboxText = '';
  #tail: Promise<unknown> = Promise.resolve();

  private constructor(state: State) {
    this.#state = state;
  }

  static async open(state: State): Promise<Ledger> {
    const ledger = new Ledger(state);
    await ledger.reload();
    return ledger;
  }

  /** Takes over what is stored: where several servers share the state, others may have changed it. */
  async reload(): Promise<void> {
    const stored = await this.#state.getState(outboxKey);
    const text = stored === undefined ? '' : Buffer.from(stored).toString('utf8');
    if (text === this.#outboxText) return;
    const outbox = text === '' ? undefined : (JSON.parse(text) as Outbox);
    const patients = outbox?.patients ?? [];
    for (const patient of patients) {
      this.#merge(patient, (await read<Filing[]>(this.#state, `consent/patient/${patient}`)) ?? []);
      this.#work.add(patient);
    }
    const done = [...this.#work].filter((patient) => !patients.includes(patient));
    // What is done must be seen on the chain before it stops to be pending.
    if (done.length > 0) await this.listener?.mined();
    for (const patient of done) {
      this.#work.delete(patient);
      this.#filings.delete(patient);
    }
    this.#sent = outbox?.sent ?? [];
    this.#outboxText = text;
    for (const patient of [...patients, ...done]) this.listener?.changed(patient);
  }

  /** The objects stay the same: whoever works on a filing holds it. */
  #merge(patient: Hex, stored: readonly Filing[]): void {
    const held = this.#filings.get(patient) ?? [];
    const merged = stored.map((filing) => {
      const same = held.find(({ consent, policy, wanted, index }) => {
        const isNamedAlike = consent === filing.consent && policy === filing.policy;
        return isNamedAlike && (wanted === filing.wanted || index === filing.index);
      });
      return same === undefined ? filing : Object.assign(same, filing);
    });
    if (this.#filings.has(patient)) held.splice(0, held.length, ...merged);
    else this.#filings.set(patient, merged);
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
    const { locks } = this.#state;
    const alone = locks && (() => locks.exclusively('consent/ledger', () => this.reload().then(task)));
    const result = this.#tail.then(alone ?? task);
    this.#tail = result.catch(() => undefined);
    return result;
  }

  /** Runs `task` between two turns, without the lock: it looks and changes nothing. */
  inLine<T>(task: () => Promise<T>): Promise<T> {
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

  async #saveOutbox(): Promise<void> {
    const outbox: Outbox = { patients: [...this.#work], sent: this.#sent, change: this.#state.locks && randomUUID() };
    const text = JSON.stringify(outbox);
    await this.#state.putState(outboxKey, Buffer.from(text));
    // Not before: else, after a failure, the older one in the store would pass for another server's news, and what is pending here would be dropped.
    this.#outboxText = text;
  }
}

async function read<T>(state: State, key: string): Promise<T | undefined> {
  const stored = await state.getState(key);
  return stored === undefined ? undefined : (JSON.parse(Buffer.from(stored).toString('utf8')) as T);
}

async function write(state: State, key: string, value: unknown): Promise<void> {
  await state.putState(key, Buffer.from(JSON.stringify(value)));
}
