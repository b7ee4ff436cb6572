/**
 * Passkeys: people sign in with what their device keeps, unlocked by finger, face or PIN; no name or password is typed.
 *
 * Spec: https://www.w3.org/TR/webauthn-3/ (discoverable credentials, user verification required, no attestation asked for). What is signed names the
 * origin, so a page elsewhere gets nothing of use; each challenge is taken once.
 */
import { randomBytes } from 'node:crypto';
import { isIP } from 'node:net';
import type { AuthenticationResponseJSON, RegistrationResponseJSON } from '@simplewebauthn/server';
import type { Clock } from '../../base/clock.js';
import type { SealedStore } from '../store/sealed-store.js';

export interface Passkey {
  /** Credential id, base64url. */
  readonly id: string;
  readonly accountId: string;
  /** COSE key, base64url. */
  readonly publicKey: string;
  /** How often it signed, as far as the device tells; 0: it does not. */
  readonly counter: number;
  /** Milliseconds since 1970. */
  readonly addedAt: number;
}

/** Where passkeys are for. */
export interface RelyingParty {
  /** Domain name: `fhir.example`. */
  readonly id: string;
  /** `https://fhir.example` */
  readonly origin: string;
}

/** @param issuer address of the authorization server. @returns undefined at an IP address: passkeys are for names alone. */
export function relyingParty(issuer: string): RelyingParty | undefined {
  const { hostname, origin } = new URL(issuer);
  return isIP(hostname.replaceAll(/^\[|\]$/g, '')) === 0 ? { id: hostname, origin } : undefined;
}

const kind = 'Passkey';
const challengeKind = 'PasskeyChallenge';
/** Time that somebody has for her finger. */
const challengeMs = 300_000;
/** ES256, EdDSA and RS256, as authenticators have them. */
const algorithms = [-7, -8, -257];

/** The library takes 20 ms to load: it is loaded when the first passkey comes. */
const library = () => import('@simplewebauthn/server');

export class Passkeys {
  constructor(
    private readonly store: SealedStore,
    private readonly clock: Clock,
    readonly party: RelyingParty,
  ) {}

  /** @param purpose what the answer is for: it is taken for nothing else. @returns a challenge (base64url) that is taken once. */
  async challenge(purpose: string): Promise<string> {
    const challenge = randomBytes(32).toString('base64url');
    await this.store.put(challengeKind, challenge, purpose, { expiresAt: this.clock.now() + challengeMs });
    return challenge;
  }

  /** Options for `navigator.credentials.get`, as JSON. */
  async signInOptions(purpose: string): Promise<object> {
    const challenge = await this.challenge(purpose);
    return { challenge, rpId: this.party.id, userVerification: 'required', timeout: challengeMs };
  }

  /** Options for `navigator.credentials.create`, as JSON. */
  async addOptions(
    account: { readonly id: string; readonly name: string; readonly displayName: string },
    purpose: string,
  ) {
    const known = await this.of(account.id);
    return {
      challenge: await this.challenge(purpose),
      rp: { id: this.party.id, name: this.party.id },
      user: {
        id: Buffer.from(account.id).toString('base64url'),
        name: account.name,
        displayName: account.displayName,
      },
      pubKeyCredParams: algorithms.map((alg) => ({ type: 'public-key', alg })),
      excludeCredentials: known.map(({ id }) => ({ type: 'public-key', id })),
      authenticatorSelection: { residentKey: 'required', requireResidentKey: true, userVerification: 'required' },
      attestation: 'none',
      timeout: challengeMs,
    };
  }

  /** @param response what the browser gave, as JSON. @returns the account; undefined when the response proves nothing. */
  async signIn(response: unknown, purpose: string): Promise<string | undefined> {
    const given = response as AuthenticationResponseJSON;
    const known = typeof given?.id === 'string' ? (await this.store.get<Passkey>(kind, given.id))?.value : undefined;
    if (known === undefined) return undefined;
    const proven = await this.attempt(async (expected) => {
      const { verifyAuthenticationResponse } = await library();
      return verifyAuthenticationResponse({
        response: given,
        ...expected,
        requireUserVerification: true,
        credential: {
          id: known.id,
          publicKey: Uint8Array.from(Buffer.from(known.publicKey, 'base64url')),
          counter: known.counter,
        },
      });
    }, purpose);
    if (proven?.verified !== true || !isHandleOf(given, known.accountId)) return undefined;
    await this.save({ ...known, counter: proven.authenticationInfo.newCounter });
    return known.accountId;
  }

  /** @returns false when the response proves nothing, or the passkey is known already. */
  async add(accountId: string, response: unknown, purpose: string): Promise<boolean> {
    const proven = await this.attempt(async (expected) => {
      const { verifyRegistrationResponse } = await library();
      return verifyRegistrationResponse({
        response: response as RegistrationResponseJSON,
        ...expected,
        requireUserVerification: true,
        supportedAlgorithmIDs: algorithms,
      });
    }, purpose);
    if (proven?.verified !== true) return false;
    const { id, publicKey, counter } = proven.registrationInfo.credential;
    const key = Buffer.from(publicKey).toString('base64url');
    const passkey: Passkey = { id, accountId, publicKey: key, counter, addedAt: this.clock.now() };
    return this.store.putNew(kind, id, passkey, {}, this.clock.now());
  }

  async of(accountId: string): Promise<Passkey[]> {
    return passkeysOf(this.store, accountId);
  }

  /** @returns false when it is none of this account. */
  async remove(accountId: string, id: string): Promise<boolean> {
    if (!(await this.of(accountId)).some((passkey) => passkey.id === id)) return false;
    await this.store.remove(kind, id);
    return true;
  }

  /** Runs a check that takes its challenge from the response and uses it up, whatever comes of it; undefined when it fails. */
  private async attempt<T>(check: (expected: Expected) => Promise<T>, purpose: string): Promise<T | undefined> {
    const { party, store, clock } = this;
    const expectedChallenge = async (challenge: string) => {
      const found = await store.get<string>(challengeKind, challenge);
      const isOpen = found?.value === purpose && (found.expiresAt ?? 0) > clock.now();
      return isOpen && store.consume(challengeKind, challenge, clock.now());
    };
    try {
      return await check({ expectedChallenge, expectedOrigin: party.origin, expectedRPID: party.id });
    } catch {
      // The library throws whatever is wrong with a response; its sender learns no more than that.
      return undefined;
    }
  }

  private save(passkey: Passkey): Promise<void> {
    return this.store.put(kind, passkey.id, passkey);
  }
}

interface Expected {
  readonly expectedChallenge: (challenge: string) => Promise<boolean>;
  readonly expectedOrigin: string;
  readonly expectedRPID: string;
}

/** An account's passkeys go with it, and with its password. */
export async function removePasskeys(store: SealedStore, accountId: string): Promise<void> {
  for (const { id } of await passkeysOf(store, accountId)) await store.remove(kind, id);
}

async function passkeysOf(store: SealedStore, accountId: string): Promise<Passkey[]> {
  return (await store.list<Passkey>(kind)).filter((passkey) => passkey.accountId === accountId);
}

/** Devices say whose passkey it is: it has to be the one that we gave it to. */
function isHandleOf({ response }: AuthenticationResponseJSON, accountId: string): boolean {
  const { userHandle } = response;
  return userHandle === undefined || Buffer.from(userHandle, 'base64url').toString() === accountId;
}
