/** Consent keys that the server keeps for patients who want none of their own: random, wrapped by the key ring, in the catalog's state. */
import { randomBytes } from 'node:crypto';
import type { Hex } from '../chain/chain.js';
import { privateKeyFrom } from '../chain/keys.js';
import type { Catalog } from '../commit/catalog.js';
import type { KeyRing } from '../vault/key-ring.js';

export interface PatientKeys {
  /** The 32-byte secp256k1 key of a patient, made and stored the first time. */
  keyOf(patient: Hex): Promise<Uint8Array>;
  /** The key if there is one. */
  present(patient: Hex): Promise<Uint8Array | undefined>;
  /** Forgets it: the patient has a key of her own. */
  drop(patient: Hex): Promise<void>;
}

const NONE = new Uint8Array(0);

export function createPatientKeys(
  state: Pick<Catalog, 'getState' | 'putState'>,
  ring: Pick<KeyRing, 'wrap' | 'unwrap'>,
): PatientKeys {
  const nameOf = (patient: Hex) => `consent/key/${patient}`;
  const present = async (patient: Hex) => {
    const stored = await state.getState(nameOf(patient));
    return stored === undefined || stored.byteLength === 0 ? undefined : ring.unwrap(stored);
  };
  return {
    present,
    async keyOf(patient) {
      const known = await present(patient);
      if (known !== undefined) return known;
      const key = privateKeyFrom(randomBytes(32), 'patient');
      // Durable before it signs anything: a key that was lost could never revoke.
      await state.putState(nameOf(patient), ring.wrap(key));
      return key;
    },
    async drop(patient) {
      await state.putState(nameOf(patient), NONE);
    },
  };
}
