/**
 * The consent gate: decisions of the contract, remembered until an event touches the patient, a time of a policy passes, or the chain was
 * not heard of for too long.
 */
import type { Clock } from '../base/clock.js';
import { CallReverted, type Chain, ChainUnavailable, type Hex } from '../chain/chain.js';
import { emergencyHolder } from '../chain/emergency-access.js';
import type { Blinder } from './blinder.js';
import { type BlockDecision, DecisionBatcher } from './decision-batcher.js';
import {
  type ConsentAction,
  type ConsentDecision,
  type ConsentGate,
  ConsentUndecidable,
  type Principal,
  type RecordAttributes,
} from './gate.js';
import { type Claims, claimsOf, groupClaims } from './claims.js';
import { type PatientView, PatientViews } from './patient-views.js';
import type { PendingChanges, PolicyContents } from './pending-changes.js';
import { referenceTerm } from './terms.js';
import { RegistryFollower } from './registry-follower.js';
import {
  type BlindRequest,
  blindRequest,
  blindedTerms,
  principalTerms,
  relationOf,
  toRegistryRequest,
} from './request.js';

export interface ConsentGateOptions {
  readonly chain: Pick<Chain, 'call' | 'head' | 'logs' | 'blockHash'>;
  readonly registry: Hex;
  /** Beside the registry; absent: no groups, no emergencies. */
  readonly groups?: Hex;
  readonly emergency?: Hex;
  readonly fromBlock: number;
  readonly blinder: Blinder;
  readonly changes: PendingChanges;
  readonly contents: PolicyContents;
  readonly clock: Clock;
  /** For when no consent speaks: deny for anybody but the patient and the author, or permit. */
  readonly implicitPolicy: 'deny' | 'permit';
  /** Without word from the chain for so long, nothing is answered; default 10,000. */
  readonly maxStalenessMs?: number;
  /** How often the chain is asked for its head; default 250. */
  readonly pollMs?: number;
  /** True while `sync` is called for each new block: then the chain is asked eight times less often. */
  readonly isTold?: () => boolean;
  /** Decisions are made on the block that has so many on top of it, itself included; default 1: the head. */
  readonly confirmations?: number;
  /** How long a read waits for a filing of this server to be mined before it is decided without; default 1,000. */
  readonly pendingWaitMs?: number;
}

export interface RunningConsentGate extends ConsentGate {
  /** Catches up with the chain now. @throws ChainUnavailable. */
  sync(): Promise<void>;
  /** The emergency of this requester for this patient that is open now, as far as the chain was followed. */
  openEmergency(
    principal: Principal,
    patientId: string,
  ): { readonly grant: number; readonly until: number } | undefined;
  /** Hashes of the policies that are active on the chain, by index; undefined when none was ever filed. */
  activePolicies(patientId: string): ReadonlyMap<number, Hex> | undefined;
  close(): void;
}

/** Decisions that are remembered of one patient; what is forgotten is asked again. */
const MAX_DECISIONS = 5_000;
const NO_GROUPS: ReadonlySet<string> = new Set();

/** Starts to follow the chain; the first sync is tried at once, and need not succeed. */
export async function startConsentGate(options: ConsentGateOptions): Promise<RunningConsentGate> {
  const gate = new ContractGate(options);
  await gate.start();
  return gate;
}

class ContractGate implements RunningConsentGate {
  readonly #options: ConsentGateOptions;
  readonly #follower: RegistryFollower;
  readonly #batcher: DecisionBatcher;
  readonly #maxStalenessMs: number;
  readonly #views: PatientViews;
  /** Decisions for patients of whom no consent was ever filed: they depend on the relation alone. */
  readonly #unfiled = new Map<number, ConsentDecision>();
  #timer: NodeJS.Timeout | undefined;

  constructor(options: ConsentGateOptions) {
    this.#options = options;
    this.#maxStalenessMs = options.maxStalenessMs ?? 10_000;
    this.#batcher = new DecisionBatcher(options.chain, options.registry, () =>
      (options.confirmations ?? 1) === 1 ? undefined : this.#follower.head?.number,
    );
    const onTouched = (patient: Hex) => this.#views.forget(patient);
    this.#follower = new RegistryFollower({ ...options, onTouched, onGroups: () => this.#views.forgetGroups() });
    this.#views = new PatientViews(options, this.#follower);
    options.changes.listen({ changed: onTouched, mined: () => this.#follower.sync() });
  }

  async start(): Promise<void> {
    await this.#follower.sync().catch(() => undefined);
    const poll = () => {
      void this.#follower
        .sync()
        .catch(() => undefined)
        .finally(() => {
          if (this.#timer !== undefined) this.#timer = setTimeout(poll, this.#pauseMs()).unref();
        });
    };
    this.#timer = setTimeout(poll, this.#pauseMs()).unref();
  }

  #pauseMs(): number {
    const { pollMs = 250, isTold } = this.#options;
    const wantedMs = isTold?.() === true ? 8 * pollMs : pollMs;
    return Math.min(wantedMs, Math.max(pollMs, this.#maxStalenessMs / 2));
  }

  sync(): Promise<void> {
    return this.#follower.sync();
  }

  openEmergency(
    { actor }: Principal,
    patientId: string,
  ): { readonly grant: number; readonly until: number } | undefined {
    const { blinder, clock } = this.#options;
    const patient = blinder.pseudonym(patientId);
    const holder = emergencyHolder(blinder.term(referenceTerm('actor', actor)), patient);
    const open = this.#follower.emergencies(patient)?.findLast((one) => one.holder === holder);
    if (open === undefined || clock.now() >= 1000 * open.until) return undefined;
    return { grant: open.grant, until: 1000 * open.until };
  }

  activePolicies(patientId: string): ReadonlyMap<number, Hex> | undefined {
    return this.#follower.activePolicies(this.#options.blinder.pseudonym(patientId));
  }

  close(): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
  }

  peek(principal: Principal, action: ConsentAction, record: RecordAttributes): ConsentDecision | undefined {
    if (!this.#isFresh()) return undefined;
    const { patients } = record;
    if (patients.length === 0) return this.#ofNoPatient();
    let first: ConsentDecision | undefined;
    for (const patientId of patients) {
      const decision = this.#known(principal, action, record, patientId);
      if (decision === undefined || !decision.permit) return decision;
      first ??= decision;
    }
    return first;
  }

  async decide(principal: Principal, action: ConsentAction, record: RecordAttributes): Promise<ConsentDecision> {
    const known = this.peek(principal, action, record);
    if (known !== undefined) return known;
    try {
      if (!this.#isFresh()) await this.#follower.sync();
      if (record.patients.length === 0) return this.#ofNoPatient();
      const decisions = await Promise.all(record.patients.map((id) => this.#decideFor(principal, action, record, id)));
      return decisions.find(({ permit }) => !permit) ?? (decisions[0] as ConsentDecision);
    } catch (problem) {
      if (!(problem instanceof ChainUnavailable)) throw problem;
      throw new ConsentUndecidable(`consent cannot be decided: ${problem.message}`);
    }
  }

  #isFresh(): boolean {
    return this.#options.clock.now() - this.#follower.syncedAt <= this.#maxStalenessMs;
  }

  #ofNoPatient(): ConsentDecision {
    return { permit: true, block: this.#follower.head?.number ?? 0, reason: 'permit:no-patient' };
  }

  /** True when no consent of this patient was ever filed, nor is about to be. */
  #isUnfiled(patient: Hex): boolean {
    return (
      this.#follower.activePolicies(patient) === undefined && this.#options.changes.pendingOf(patient) === undefined
    );
  }

  #known(principal: Principal, action: ConsentAction, record: RecordAttributes, patientId: string) {
    const patient = this.#options.blinder.pseudonym(patientId);
    if (this.#isUnfiled(patient)) {
      const isClaiming = this.#claims(principal, patient).key !== '';
      return isClaiming ? undefined : this.#unfiled.get(relationOf(principal, record, patientId));
    }
    const view = this.#views.present(patient);
    return view?.decisions.get(this.#question(principal, action, record, patientId, view).key);
  }

  async #decideFor(principal: Principal, action: ConsentAction, record: RecordAttributes, patientId: string) {
    const { blinder, changes, clock } = this.#options;
    const patient = blinder.pseudonym(patientId);
    const pending = changes.pendingOf(patient);
    // A filing is about to be mined: better to wait for it than to answer without. A revocation takes effect at once.
    if (pending?.awaits === 'chain' && pending.filed.length > 0 && pending.withdrawn.length === 0) {
      await changes.settled(patient, this.#options.pendingWaitMs ?? 1_000);
    }
    for (let attempt = 1; ; attempt += 1) {
      const known = this.#known(principal, action, record, patientId);
      if (known !== undefined) return known;
      const isUnfiled = this.#isUnfiled(patient);
      const view = await this.#views.of(patientId, patient);
      const question = this.#question(principal, action, record, patientId, view);
      try {
        const answer = await this.#batcher.ask(view.set, toRegistryRequest(question, clock.now()));
        const decision = toDecision(answer, view.set.withdrawn.length > 0 ? 'revocation-pending' : 'filing-pending');
        if (isUnfiled && question.actor === undefined) this.#unfiled.set(question.relation, decision);
        if (view.decisions.size >= MAX_DECISIONS) view.decisions.clear();
        view.decisions.set(question.key, decision);
        return decision;
      } catch (problem) {
        if (!(problem instanceof CallReverted) || attempt === 4) throw undecidable(problem);
        // The contract knows an event that we do not: catch up, in the end from the start.
        await (attempt < 3 ? this.#follower.sync() : this.#follower.resync());
        this.#views.forget(patient);
      }
    }
  }

  #question(
    principal: Principal,
    action: ConsentAction,
    record: RecordAttributes,
    patientId: string,
    view: PatientView,
  ): BlindRequest {
    const { blinder } = this.#options;
    const relation = relationOf(principal, record, patientId);
    let byAction = view.principals.get(principal);
    if (byAction === undefined) view.principals.set(principal, (byAction = new Map()));
    let terms = byAction.get(action);
    if (terms === undefined) {
      terms = blindedTerms(principalTerms(principal, action), view.summary, blinder);
      byAction.set(action, terms);
    }
    let memberships = view.memberships.get(principal);
    if (memberships === undefined) {
      memberships = { groups: groupClaims(this.#follower, blinder, principal, view.summary?.groups ?? NO_GROUPS) };
      view.memberships.set(principal, memberships);
    }
    const claims = this.#claims(principal, view.set.patient);
    return blindRequest({ principalTerms: terms, record, relation, claims, ...memberships }, view.summary, blinder);
  }

  #claims(principal: Principal, patient: Hex): Claims {
    const { blinder, clock } = this.#options;
    return claimsOf(this.#follower, blinder, principal, patient, clock.now());
  }
}

function toDecision({ permit, reason, policy, path, block }: BlockDecision, pendingReason: string): ConsentDecision {
  const effect = permit ? 'permit' : 'deny';
  const isByProvision = reason === 'permit-provision' || reason === 'deny-provision';
  const detail = isByProvision ? `provision-${[policy ?? 'pending', ...path].join('.')}` : reason;
  return { permit, block, reason: `${effect}:${reason === 'pending' ? pendingReason : detail}` };
}

function undecidable(problem: unknown): unknown {
  return problem instanceof CallReverted ? new ConsentUndecidable(`the contract refused: ${problem.message}`) : problem;
}
