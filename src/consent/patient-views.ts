/** What the gate knows of each patient between two events: her policies as a question carries them, and the decisions that were made on them. */
import type { Clock } from '../base/clock.js';
import type { Hex } from '../chain/chain.js';
import { claimEdges } from './claims.js';
import type { PolicySet } from './decision-batcher.js';
import type { ConsentAction, ConsentDecision, Principal } from './gate.js';
import type { Pending, PendingChanges, PolicyContents } from './pending-changes.js';
import { type PolicySummary, summarizePolicies } from './policy-summary.js';
import type { RegistryFollower } from './registry-follower.js';

/** What holds for one patient until the next event that touches her. */
export interface PatientView {
  readonly set: PolicySet;
  /** Of all her policies; undefined when one is not understood. */
  readonly summary: PolicySummary | undefined;
  readonly decisions: Map<string, ConsentDecision>;
  /** What of a requester the policies mention: blinded terms, by requester and action. */
  readonly principals: WeakMap<Principal, Map<ConsentAction, readonly string[]>>;
  /** Memberships that a requester claims. */
  readonly memberships: WeakMap<Principal, { readonly groups: Uint8Array | undefined }>;
  /** Decisions hold before this time, milliseconds since 1970. */
  readonly validUntil: number;
}

export interface PatientViewsOptions {
  readonly changes: Pick<PendingChanges, 'pendingOf'>;
  readonly contents: PolicyContents;
  readonly clock: Clock;
  readonly implicitPolicy: 'deny' | 'permit';
}

/** How many are remembered; what is forgotten is made again. */
const MAX_VIEWS = 20_000;

export class PatientViews {
  readonly #options: PatientViewsOptions;
  readonly #follower: Pick<RegistryFollower, 'activePolicies' | 'delegates' | 'emergencies'>;
  readonly #views = new Map<Hex, PatientView>();

  constructor(
    options: PatientViewsOptions,
    follower: Pick<RegistryFollower, 'activePolicies' | 'delegates' | 'emergencies'>,
  ) {
    this.#options = options;
    this.#follower = follower;
  }

  /** The view that still holds; undefined when there is none. */
  present(patient: Hex): PatientView | undefined {
    const view = this.#views.get(patient);
    return view === undefined || this.#options.clock.now() >= view.validUntil ? undefined : view;
  }

  /** An event touched the patient. */
  forget(patient: Hex): void {
    this.#views.delete(patient);
  }

  /** Memberships changed, and of whom cannot be seen: decisions that asked for groups are forgotten, all of them. */
  forgetGroups(): void {
    for (const [patient, { summary }] of this.#views) if (summary?.groups.size !== 0) this.forget(patient);
  }

  /** The view of now, made when there is none or its time is over. */
  async of(patientId: string, patient: Hex): Promise<PatientView> {
    const present = this.present(patient);
    if (present !== undefined) return present;
    const { changes, clock, contents, implicitPolicy } = this.#options;
    const now = clock.now();
    const active = [...(this.#follower.activePolicies(patient) ?? [])].sort(([a], [b]) => a - b);
    const { withdrawn = [], filed = [] } = changes.pendingOf(patient) ?? {};
    const policies = await Promise.all(
      active.map(async ([, hash]) => (await contents.contentsOf(patientId, hash)) ?? new Uint8Array(0)),
    );
    const summary = summarizePolicies([...policies, ...filed]);
    const set: PolicySet = { patient, implicitPolicy, policies, withdrawn, pending: filed };
    const edges = [...(summary?.edges ?? []), ...claimEdges(this.#follower, patient).map((second) => 1000 * second)];
    const validUntil = Math.min(Infinity, ...edges.filter((edge) => edge > now));
    const memories = { decisions: new Map(), principals: new WeakMap(), memberships: new WeakMap() } as const;
    const view: PatientView = { set, summary, ...memories, validUntil };
    // An event or a change that came while the contents were read: this view serves the question at hand only.
    const isCurrent =
      sameFilings(active, this.#follower.activePolicies(patient)) &&
      samePending({ withdrawn, filed }, changes.pendingOf(patient));
    if (isCurrent && active.length + filed.length > 0) {
      if (this.#views.size >= MAX_VIEWS) this.#views.clear();
      this.#views.set(patient, view);
    }
    return view;
  }
}

function sameFilings(before: readonly (readonly [number, Hex])[], now: ReadonlyMap<number, Hex> | undefined): boolean {
  return before.length === (now?.size ?? 0) && before.every(([index, hash]) => now?.get(index) === hash);
}

type Shown = Pick<Pending, 'withdrawn' | 'filed'>;

function samePending(before: Shown, now: Shown = { withdrawn: [], filed: [] }): boolean {
  return (
    before.withdrawn.length === now.withdrawn.length &&
    before.filed.length === now.filed.length &&
    before.withdrawn.every((index, i) => index === now.withdrawn[i]) &&
    before.filed.every((bytes, i) => bytes === now.filed[i])
  );
}
