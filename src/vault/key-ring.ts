/**
 * Port: master keys.
 *
 * Durability: a key that was used once is never lost by the ring. Concurrency: any number of calls at once.
 * Trust: full. Whoever owns the ring reads everything it has keys for, but cannot change history unnoticed.
 */

export interface KeyRing {
  /** Wraps a 32-byte key under the newest master key. The result names the master key. */
  wrap(key: Uint8Array): Uint8Array;

  /** @throws KeyUnavailable when the master key is gone or the bytes were altered. */
  unwrap(wrapped: Uint8Array): Uint8Array;

  /**
   * A 32-byte key derived (HKDF-SHA-256) from the ring's root for a purpose: `index`, `header`, `cursor`, `access`, `consent`, ...
   * Equal for equal purposes as long as the ring lives.
   */
  derive(purpose: string): Uint8Array;

  /** Adds a master key that wraps from now on; the older ones go on unwrapping. Durable on resolve. */
  rotate(): Promise<void>;

  /**
   * Forgets all master keys but the newest: what older ones wrapped cannot be opened any more. Durable on resolve.
   * @returns how many were forgotten.
   */
  retire(): Promise<number>;

  /** Takes in what another process did to the ring that it shares with this one. */
  reload(): Promise<void>;

  /** Number of the newest master key: the first 4 bytes (big-endian) of what `wrap` gives. */
  readonly newest: number;
}

/** Length of a 32-byte key that a master key wrapped: number of the master key (4), RFC 3394 (40). */
export const masterWrapBytes = 44;

export class KeyUnavailable extends Error {
  override readonly name = 'KeyUnavailable';
}
