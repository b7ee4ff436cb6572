/**
 * What an app is launched with: made by an EHR before the launch (`$launch-context`), or chosen by the user on the authorization page.
 *
 * Spec: https://hl7.org/fhir/smart-app-launch/STU2.2/scopes-and-launch-context.html#launch-context-arrives-with-your-access_token
 */
import { randomBytes } from 'node:crypto';
import type { Clock } from '../base/clock.js';
import type { SealedStore } from './store/sealed-store.js';

export interface LaunchContext {
  /** Id of the patient in context. */
  readonly patient?: string;
  /** Id of the encounter in context. */
  readonly encounter?: string;
  /** Further resources of the context, as token responses carry them. */
  readonly fhirContext?: readonly FhirContextItem[];
  /** What the app shall do, in the words of app and EHR. */
  readonly intent?: string;
  readonly needPatientBanner?: boolean;
}

export interface FhirContextItem {
  readonly reference: string;
  readonly role?: string;
}

/** A launch that an EHR has prepared. */
export interface PreparedLaunch extends LaunchContext {
  /** The app that it is for; absent: any. */
  readonly clientId?: string;
  /** Reference of the user who must sign in; absent: any. */
  readonly user?: string;
}

interface GrantedLaunch {
  readonly grantId: string;
  readonly context: LaunchContext;
}

const prepared = 'PreparedLaunch';
const granted = 'GrantedLaunch';
/** A launch must begin within this time. */
const launchMs = 300_000;

export class LaunchContexts {
  constructor(
    private readonly store: SealedStore,
    private readonly clock: Clock,
  ) {}

  /** @returns the value of the `launch` parameter: random, valid once and for `launchMs`. */
  async prepare(launch: PreparedLaunch): Promise<string> {
    const token = randomBytes(24).toString('base64url');
    await this.store.put(prepared, token, launch, { expiresAt: this.clock.now() + launchMs });
    return token;
  }

  /** @returns undefined when it is not known, was used, or its time is over. */
  async find(token: string): Promise<PreparedLaunch | undefined> {
    const found = await this.store.get<PreparedLaunch>(prepared, token);
    const isOpen = found !== undefined && found.consumedAt === undefined;
    return isOpen && (found.expiresAt ?? 0) > this.clock.now() ? found.value : undefined;
  }

  /** @returns false when somebody else used it first. */
  use(token: string): Promise<boolean> {
    return this.store.consume(prepared, token, this.clock.now());
  }

  /** Binds a context to a grant: each token of the grant carries it. */
  bind(grantId: string, context: LaunchContext, expiresAt: number): Promise<void> {
    return this.store.put(granted, grantId, { grantId, context }, { group: grantId, expiresAt });
  }

  async ofGrant(grantId: string): Promise<LaunchContext> {
    return (await this.store.get<GrantedLaunch>(granted, grantId))?.value.context ?? {};
  }

  /** Ends every grant that has this patient in context (the patient was erased). */
  async endGrantsOf(patientId: string): Promise<void> {
    for (const { grantId, context } of await this.store.list<GrantedLaunch>(granted)) {
      if (context.patient !== patientId) continue;
      await this.store.removeGroup(grantId);
      await this.store.remove('Grant', grantId);
    }
  }
}
