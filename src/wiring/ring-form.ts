/** How the key ring stands in its file: as the configuration says. */
import { readFile, stat } from 'node:fs/promises';
import type { Config, KeyRingConfig } from '../config.js';
import { openKeyRing, plainForm, type FileKeyRing, type RingForm } from '../vault/file-key-ring.js';
import { KeyUnavailable } from '../vault/key-ring.js';
import { pkcs11Form } from '../vault/pkcs11-seal.js';

/** @throws KeyUnavailable when the PIN's file can be read by others. */
export async function ringForm(config: KeyRingConfig): Promise<RingForm> {
  if (config.kind === 'file') return plainForm;
  const { module, token, key, pinFile } = config;
  if (((await stat(pinFile)).mode & 0o077) !== 0) {
    throw new KeyUnavailable(`${pinFile} can be read by others than its owner: expected mode 0600`);
  }
  return pkcs11Form({ module, token, key, pin: (await readFile(pinFile, 'utf8')).trim() });
}

/** The key ring of this installation; made when there is none. @throws KeyUnavailable */
export async function openConfiguredRing({ keyRing }: Pick<Config, 'keyRing'>): Promise<FileKeyRing> {
  return openKeyRing(keyRing.file, await ringForm(keyRing));
}
