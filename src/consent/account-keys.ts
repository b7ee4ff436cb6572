/**
 * Whose key files for a patient: one that this server keeps for her, or one of her own (a wallet, a passkey).
 *
 * The chain says which key an account has; what is stored here is what the chain does not tell: the public key of a passkey and the name by which a
 * browser finds it, and, before her first filing, which key she wants the account to begin with.
 */
import type { Chain, Hex } from '../chain/chain.js';
import { decodeAccount, encodeAccountOf } from '../chain/consent-registry.js';
import type { PasskeyPoint } from '../chain/passkey-signature.js';
import { addressOf } from '../chain/signing.js';
import type { Catalog } from '../commit/catalog.js';
import type { KeyRing } from '../vault/key-ring.js';
import { type PatientKeys, createPatientKeys } from './patient-keys.js';

/** A key of the patient's own. */
export interface OwnKey {
  /** As contracts name it: a wallet's address, a passkey's name. */
  readonly name: Hex;
  readonly kind: 'wallet' | 'passkey';
  /** Of a passkey. */
  readonly point?: PasskeyPoint;
  /** Of a passkey: its credential id, base64url, by which a browser finds it. */
  readonly credential?: string;
}

/** Who files for a patient now. */
export interface Account {
  readonly owner: 'server' | 'own';
  /** Name of the key; absent while the server has made none. */
  readonly key?: Hex;
  /** What is known of a key of her own; absent where it was registered elsewhere. */
  readonly own?: OwnKey;
  /** The chain knows the account: something was filed. */
  readonly isOnChain: boolean;
  /** Index of her next statement. */
  readonly nextIndex: number;
}

export interface AccountKeysOptions {
  readonly chain: Pick<Chain, 'call'>;
  readonly registry: Hex;
  readonly state: Pick<Catalog, 'getState' | 'putState'>;
  readonly ring: Pick<KeyRing, 'wrap' | 'unwrap'>;
}

/** Name in the catalog's small state of what is known of a patient's own key. */
export const ownKeyState = (patient: Hex) => `consent/own-key/${patient}`;

export class AccountKeys {
  readonly #options: AccountKeysOptions;
  /** Keys that this server keeps. */
  readonly kept: PatientKeys;

  constructor(options: AccountKeysOptions) {
    this.#options = options;
    this.kept = createPatientKeys(options.state, options.ring);
  }

  /** @throws ChainUnavailable */
  async of(patient: Hex): Promise<Account> {
    const { chain, registry } = this.#options;
    const { key, filings } = decodeAccount(await chain.call(registry, encodeAccountOf(patient)));
    const [own, kept] = [await this.registered(patient), await this.kept.present(patient)];
    const shared = { isOnChain: key !== undefined, nextIndex: filings };
    const keptName = kept === undefined ? undefined : addressOf(kept);
    if (key === undefined && own !== undefined) return { owner: 'own', key: own.name, own, ...shared };
    if (key === undefined || key === keptName) {
      return { owner: 'server', ...(keptName === undefined ? {} : { key: keptName }), ...shared };
    }
    return { owner: 'own', key, ...(own?.name === key ? { own } : {}), ...shared };
  }

  /** The key that she registered last; it counts when the account has it, or has none yet. */
  async registered(patient: Hex): Promise<OwnKey | undefined> {
    const stored = await this.#options.state.getState(ownKeyState(patient));
    if (stored === undefined || stored.byteLength === 0) return undefined;
    return JSON.parse(Buffer.from(stored).toString('utf8')) as OwnKey;
  }

  /** @param key undefined: as if she never registered one. */
  register(patient: Hex, key: OwnKey | undefined): Promise<void> {
    const text = key === undefined ? '' : JSON.stringify(key);
    return this.#options.state.putState(ownKeyState(patient), Buffer.from(text));
  }
}
