/**
 * Checkpoints: what the log says of itself at one size, signed.
 *
 * Spec: https://c2sp.org/tlog-checkpoint
 */
import { NoteError, openNote, signNote, type NoteSigner, type NoteVerifier } from './note.js';

export interface Checkpoint {
  /** Name of the log: URL without scheme, no spaces, no plus. */
  readonly origin: string;
  /** Leaves. */
  readonly size: number;
  /** 32 bytes. */
  readonly root: Uint8Array;
}

/** The text that is signed: origin, size, base64 root, a line each. */
export function checkpointText({ origin, size, root }: Checkpoint): string {
  return `${origin}\n${size}\n${Buffer.from(root).toString('base64')}\n`;
}

export function signCheckpoint(checkpoint: Checkpoint, signers: readonly NoteSigner[]): string {
  return signNote(checkpointText(checkpoint), signers);
}

/** @throws NoteError as openNote does, and when the text is no checkpoint of `origin`. */
export function openCheckpoint(note: string, origin: string, verifiers: readonly NoteVerifier[]): Checkpoint {
  const [name, size, root] = openNote(note, verifiers).text.split('\n');
  if (name !== origin) throw new NoteError(`checkpoint of ${name}, not of ${origin}`);
  const bytes = Buffer.from(root ?? '', 'base64');
  if (!/^(0|[1-9][0-9]*)$/.test(size ?? '') || !Number.isSafeInteger(Number(size)) || bytes.length !== 32)
    throw new NoteError('not a checkpoint');
  return { origin, size: Number(size), root: bytes };
}
