/** Consent keys that the server keeps for patients who want none of their own: random, wrapped by the key ring, in the catalog's state. */
import { randomBytes } from 'node:crypto';
import type { Hex } from '../chain/chain.js';
import { privateKeyFrom } from '../chain/keys.js';
import type { Catalog } from '../commit/catalog.js';
import type { KeyRing } from '../vault/key-ring.js';

export interface PatientKeys {
  /** The 32-byte secp256k1 key of a patient, made and stored the first time. */
  keyOf(patient: Hex): Promise<Uint8Array>;
}

export function createPatientKeys(
  state: Pick<Catalog, 'getState' | 'putState'>,
  ring: Pick<KeyRing, 'wrap' | 'unwrap'>,
): PatientKeys {
  return {
    async keyOf(patient) {
      const name = `consent/key/${patient}`;
      const stored = await state.getState(name);
      if (stored !== undefined) return ring.unwrap(stored);
      const key = privateKeyFrom(randomBytes(32), 'patient');
      // Durable before it signs anything: a key that was lost could never revoke.
      await state.putState(name, ring.wrap(key));
      return key;
    },
  };
}
