/**
 * Emergencies (break-glass): declared on the chain for one requester and one patient, for a bounded time, without identifying content.
 *
 * What an open emergency lets see, the contract decides. Only who holds a role that the operator named can declare one.
 */
import { randomBytes } from 'node:crypto';
import { sha256, toHex } from '../base/bytes.js';
import type { Clock } from '../base/clock.js';
import { CallReverted, type Chain, type ChainReceipt, type Hex } from '../chain/chain.js';
import { decodeRules, encodeContest, encodeDeclare, encodeRulesOf } from '../chain/emergency-access.js';
import type { Blinder } from './blinder.js';
import { EMERGENCY_PURPOSES } from './claims.js';
import type { RunningConsentGate } from './consent-gate.js';
import type { Principal } from './gate.js';
import { canonicalSystem } from './hierarchies.js';
import { codingTerm, referenceTerm } from './terms.js';

export interface EmergencyDeskOptions {
  readonly chain: Pick<Chain, 'call'>;
  readonly emergency: Hex;
  readonly blinder: Blinder;
  readonly gate: RunningConsentGate;
  readonly clock: Clock;
  /** `system|code` of roles, or references of organisations, roles and persons. */
  readonly roles: readonly string[];
  readonly durationS: number;
  /** Sends a call with the relay's key. @throws CallReverted */
  readonly submit: (to: Hex, data: Hex) => Promise<ChainReceipt>;
}

/** An emergency that is open. */
export interface OpenEmergency {
  /** Its number on the chain. */
  readonly grant: number;
  /** Milliseconds since 1970. */
  readonly until: number;
}

export interface DeclaredEmergency extends OpenEmergency {
  readonly txHash: Hex;
  readonly block: number;
}

/** The contract takes no such declaration or contest. */
export class EmergencyRefused extends Error {
  override readonly name = 'EmergencyRefused';
}

export class EmergencyDesk {
  readonly #options: EmergencyDeskOptions;

  constructor(options: EmergencyDeskOptions) {
    this.#options = options;
  }

  /** True for the purposes under which glass is broken. */
  isEmergency({ purposeOfUse }: Principal): boolean {
    return EMERGENCY_PURPOSES.has(purposeOfUse);
  }

  /** The first role of the operator's list that the principal holds; undefined: she can declare nothing. */
  roleOf({ actor, memberships }: Principal): string | undefined {
    return this.#options.roles.find((role) => role === actor || memberships.includes(role));
  }

  /** The emergency of this requester for this patient that is open now. */
  openFor(principal: Principal, patientId: string): OpenEmergency | undefined {
    return this.#options.gate.openEmergency(principal, patientId);
  }

  /**
   * Resolves when the declaration is mined and decisions know of it.
   * @param reason goes on the chain as a salted digest only.
   * @throws EmergencyRefused when the network did not name the role; ChainUnavailable.
   */
  async declare(principal: Principal, patientId: string, role: string, reason: string): Promise<DeclaredEmergency> {
    const { blinder, durationS, gate } = this.#options;
    const data = encodeDeclare({
      patient: blinder.pseudonym(patientId),
      actor: blinder.term(referenceTerm('actor', principal.actor)),
      role: blinder.term(roleTerm(role)),
      reason: saltedDigest(reason),
      durationS,
    });
    const { txHash, blockNumber } = await this.#submit(data);
    await gate.sync();
    const open = this.openFor(principal, patientId);
    if (open === undefined) throw new Error('an emergency that was declared is not open');
    return { ...open, txHash, block: blockNumber };
  }

  /** The patient contests an emergency: it closes at once. @throws EmergencyRefused when it was contested before. */
  async contest(grant: number, reason: string): Promise<ChainReceipt> {
    const receipt = await this.#submit(encodeContest(grant, saltedDigest(reason)));
    await this.#options.gate.sync();
    return receipt;
  }

  async #submit(data: Hex): Promise<ChainReceipt> {
    const { submit, emergency } = this.#options;
    try {
      return await submit(emergency, data);
    } catch (problem) {
      throw problem instanceof CallReverted ? new EmergencyRefused(problem.message) : problem;
    }
  }

  /** Roles of the operator's list that the network has not named for emergencies of so long, blinded. */
  async unnamedRoles(durationS: number): Promise<string[]> {
    const { chain, emergency, blinder, roles } = this.#options;
    const unnamed: string[] = [];
    for (const role of roles.map((one) => blinder.term(roleTerm(one)))) {
      const { isNamed, maxDurationS } = decodeRules(await chain.call(emergency, encodeRulesOf(role)));
      if (!isNamed || maxDurationS < durationS) unnamed.push(role);
    }
    return unnamed;
  }
}

function roleTerm(role: string): string {
  const at = role.lastIndexOf('|');
  return at < 0
    ? referenceTerm('actor', role)
    : codingTerm('role', canonicalSystem(role.slice(0, at)), role.slice(at + 1));
}

function saltedDigest(text: string): Hex {
  return `0x${toHex(sha256(randomBytes(32), Buffer.from(text)))}`;
}
