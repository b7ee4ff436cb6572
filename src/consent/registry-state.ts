/** What the events of the consent contracts say: active policies, delegates and emergencies of each patient, and memberships that hold. */
import type { ChainLog, Hex } from '../chain/chain.js';
import { decodeRegistryEvent } from '../chain/consent-registry.js';
import { type EmergencyEvent, decodeEmergencyEvent } from '../chain/emergency-access.js';
import { decodeGroupEvent } from '../chain/group-registry.js';

/** An emergency as the events tell it; `until` in seconds since 1970. */
export interface OpenEmergency {
  readonly grant: number;
  readonly holder: Hex;
  readonly until: number;
}

/** Whom an event is about; of a membership that cannot be seen. */
export type Touched = { readonly patient: Hex } | 'groups' | undefined;

export class RegistryState {
  /** Hashes of active policies by index. */
  readonly active = new Map<Hex, Map<number, Hex>>();
  /** Actors (blinded terms) who are treated as the patient, with the second until which. */
  readonly delegates = new Map<Hex, Map<string, number>>();
  /** Declared and not ended, newest last. */
  readonly emergencies = new Map<Hex, readonly OpenEmergency[]>();
  /** See `membershipOf`. */
  readonly memberships = new Set<Hex>();

  /** Patients of whom anything is known. */
  patients(): Hex[] {
    return [...this.active.keys(), ...this.emergencies.keys()];
  }

  apply(log: Pick<ChainLog, 'topics' | 'data'>): Touched {
    const emergency = decodeEmergencyEvent(log);
    if (emergency !== undefined) return this.#applyEmergency(emergency);
    const group = decodeGroupEvent(log);
    if (group !== undefined) {
      for (const membership of group.removed) this.memberships.delete(membership);
      for (const membership of group.added) this.memberships.add(membership);
      return 'groups';
    }
    return this.#applyRegistry(decodeRegistryEvent(log));
  }

  #applyRegistry(event: ReturnType<typeof decodeRegistryEvent>): Touched {
    if (event === undefined) return undefined;
    const { patient } = event;
    const filings = this.active.get(patient) ?? new Map<number, Hex>();
    if (event.kind === 'filed') filings.set(event.index, event.policy);
    if (event.kind === 'revoked') filings.delete(event.index);
    this.active.set(patient, filings);
    // Delegates are made by a key, and end with it.
    if (event.kind === 'key-changed') this.delegates.delete(patient);
    if (event.kind === 'delegate' && !/^0+$/.test(event.actor)) {
      const delegates = this.delegates.get(patient) ?? new Map<string, number>();
      this.delegates.set(patient, delegates.set(event.actor, event.until));
    }
    return { patient };
  }

  #applyEmergency(event: EmergencyEvent): Touched {
    const { patient, grant } = event;
    const others = (this.emergencies.get(patient) ?? []).filter((one) => one.grant !== grant);
    if (event.kind === 'declared') others.push({ grant, holder: event.holder, until: event.until });
    if (others.length > 0) this.emergencies.set(patient, others);
    else this.emergencies.delete(patient);
    return { patient };
  }
}
