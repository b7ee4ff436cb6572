/** Puts together who issues tokens, who checks them, and what roles may do; the authorization server itself is loaded when it is first asked. */
import { readFileSync } from 'node:fs';
import path from 'node:path';
import type { Clock } from '../base/clock.js';
import type { Config } from '../config.js';
import type { LaunchDesk } from '../fhir/operations/launch-context.js';
import { coreFolder } from '../fhir/validation/core-facts.js';
import { Accounts } from '../smart/accounts/accounts.js';
import { AppOrigins } from '../smart/app-origins.js';
import { Authenticator, type TokenSource } from '../smart/authenticator.js';
import type { ProofServices } from '../smart/dpop.js';
import { OpaqueTokens } from '../smart/opaque-tokens.js';
import { LaunchContexts } from '../smart/launch-contexts.js';
import { OutsideIssuer } from '../smart/outside-issuer.js';
import { RoleMatrix, RoleMatrixError, type RoleMatrixFile } from '../smart/role-matrix.js';
import { SealedStore } from '../smart/store/sealed-store.js';
import type { SmartStore } from '../smart/store/smart-store.js';
import { openSqliteSmartStore } from '../smart/store/sqlite-smart-store.js';
import { localIssuer, type TokenIssuer } from '../smart/token-issuer.js';
import { localTokens } from '../smart/token-verifier.js';
import type { KeyRing } from '../vault/key-ring.js';
import type { PortsBetween } from './ports.js';

export interface SmartParts {
  readonly config: Config;
  /** Of the FHIR door. */
  readonly baseUrl: string;
  readonly clock: Clock;
  readonly keyRing: KeyRing;
  readonly issuer: TokenIssuer;
  /** The one Patient or Practitioner with an identifier, as a reference. */
  findPerson(system: string, value: string): Promise<string | undefined>;
  readonly between?: PortsBetween;
}

export interface Smart {
  readonly authenticator: Authenticator;
  readonly store: SealedStore;
  /** Present when another authorization server issues the tokens. */
  readonly outside?: OutsideIssuer;
  /** Present when apps are registered here. */
  readonly appOrigins?: AppOrigins;
  /** Destroys what is kept of a patient who was erased: her account, and what apps were allowed about her. */
  forgetPatient(patientId: string): Promise<void>;
  close(): Promise<void>;
}

/** How often what has expired is dropped. */
const sweepMs = 600_000;

export async function openSmart(parts: SmartParts): Promise<Smart> {
  const { config, baseUrl, clock, keyRing, issuer } = parts;
  const { smart, organization } = config;
  const matrix = readRoleMatrix(smart.roleMatrixFile);
  const store = await openSealedStore(config, keyRing, parts.between);
  const byIssuer = new Map<string, TokenSource>();
  if (smart.localTokens) byIssuer.set(localIssuer, await localTokens(issuer.publicJwk, clock));
  const outside = smart.issuer.kind === 'outside' ? outsideIssuer(smart.issuer, parts) : undefined;
  if (outside !== undefined && smart.issuer.kind === 'outside') {
    for (const name of [smart.issuer.url, `${smart.issuer.url}/`]) byIssuer.set(name, outside.tokens);
  }
  const isBuiltIn = smart.issuer.kind === 'built-in';
  const authenticator = new Authenticator({
    matrix,
    organization,
    byIssuer,
    ...(isBuiltIn ? { opaque: new OpaqueTokens(store, baseUrl, clock) } : {}),
    ...(outside?.opaque === undefined ? {} : { opaque: outside.opaque }),
    proofs: proofServices(store, smart.requiresNonce, keyRing, clock),
    baseUrls: namesOf(baseUrl),
  });
  const sweep = setInterval(() => void store.removeExpired(clock.now()).catch(() => undefined), sweepMs).unref();
  return {
    authenticator,
    store,
    ...(outside === undefined ? {} : { outside }),
    ...(isBuiltIn ? { appOrigins: new AppOrigins(store, clock) } : {}),
    async forgetPatient(patientId) {
      await new LaunchContexts(store, clock).endGrantsOf(patientId);
      await new Accounts(store, clock).forgetPatient(patientId);
    },
    close() {
      clearInterval(sweep);
      return store.close();
    },
  };
}

/** The store of the authorization server: the command line opens it beside a running server. */
export async function openSealedStore(
  { smart: { store } }: Pick<Config, 'smart'>,
  keyRing: Pick<KeyRing, 'derive'>,
  between: PortsBetween = {},
): Promise<SealedStore> {
  const opened = await openSmartStore(store);
  return new SealedStore(between.smartStore?.(opened) ?? opened, keyRing);
}

/** The driver of MongoDB is loaded only where it is used. @throws SmartStoreUnavailable */
export async function openSmartStore(store: Config['smart']['store']): Promise<SmartStore> {
  if (store.kind === 'sqlite') return openSqliteSmartStore(store.file);
  const { openMongoSmartStore } = await import('../smart/store/mongo-smart-store.js');
  return openMongoSmartStore(store);
}

function outsideIssuer(
  { audience, ...issuer }: Extract<Config['smart']['issuer'], { kind: 'outside' }>,
  { baseUrl, clock, findPerson }: SmartParts,
): OutsideIssuer {
  return new OutsideIssuer({ ...issuer, audience: audience ?? baseUrl, baseUrl, clock, findPerson });
}

function proofServices(store: SealedStore, requiresNonce: boolean, keyRing: KeyRing, clock: Clock): ProofServices {
  return {
    clock,
    nonceKey: keyRing.derive('smart-dpop-nonce'),
    requiresNonce,
    unique: (thumbprint, jti, expiresAt) =>
      store.putNew('UsedProof', `${thumbprint} ${jti}`, 1, { expiresAt }, clock.now()),
  };
}

/** A server without a public name is called localhost as well as 127.0.0.1. */
export function namesOf(baseUrl: string): string[] {
  const url = new URL(baseUrl);
  const loopback = ['127.0.0.1', 'localhost', '[::1]'];
  if (!loopback.includes(url.hostname)) return [baseUrl];
  return loopback.map((name) => baseUrl.replace(`//${url.hostname}`, `//${name}`));
}

/** Beside the definitions, whose place is known from the sources as well as from dist/. */
const shippedMatrix = path.join(path.dirname(coreFolder), 'role-matrix.json');

function readRoleMatrix(file: string | undefined): RoleMatrix {
  const place = file ?? shippedMatrix;
  try {
    return new RoleMatrix(JSON.parse(readFileSync(place, 'utf8')) as RoleMatrixFile);
  } catch (error) {
    throw new RoleMatrixError(`${place}: ${error instanceof Error ? error.message : String(error)}`);
  }
}

/** Launches of the built-in authorization server; undefined when another one launches apps. */
export function launchDesk({ smart }: Config, { store }: Smart, clock: Clock): LaunchDesk | undefined {
  if (smart.issuer.kind !== 'built-in') return undefined;
  const launches = new LaunchContexts(store, clock);
  return {
    prepare: (launch) => launches.prepare(launch),
    async appOf(clientId) {
      const app = await store.get<{ readonly launch_uri?: string }>('Client', clientId);
      if (app === undefined) return undefined;
      return app.value.launch_uri === undefined ? {} : { launchUri: app.value.launch_uri };
    },
  };
}
