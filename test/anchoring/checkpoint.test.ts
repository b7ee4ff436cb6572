import { describe, it } from 'node:test';
import assert from 'node:assert/strict';
import { openCheckpoint, signCheckpoint } from '../../src/anchoring/checkpoint.js';
import {
  NoteError,
  noteSigner,
  noteVerifier,
  openNote,
  parseVerifierKey,
  signNote,
  verifierKeyText,
} from '../../src/anchoring/note.js';

const log = noteSigner('ehr.example/log', Buffer.alloc(32, 1));
const witness = noteSigner('witness.example', Buffer.alloc(32, 2));
const checkpoint = { origin: 'ehr.example/log', size: 20852163, root: Buffer.alloc(32, 7) };

describe('a signed note', () => {
  it('is opened by the published form of the key, and by no other key', () => {
    const note = signNote('Ognuno sta solo\n', [log, witness]);
    assert.deepEqual(openNote(note, [parseVerifierKey(verifierKeyText(log))]), {
      text: 'Ognuno sta solo\n',
      signedBy: ['ehr.example/log'],
    });
    assert.deepEqual(
      openNote(note, [noteVerifier(log.name, log.publicKey), noteVerifier(witness.name, witness.publicKey)]).signedBy,
      ['ehr.example/log', 'witness.example'],
    );
    assert.throws(
      () => openNote(note, [noteVerifier('ehr.example/log', witness.publicKey)]),
      new NoteError('no known key signed this note'),
    );
  });

  it('opens the example of the specification', () => {
    // The key is the one that Go's sumdb/note documentation publishes together with this kind of note.
    const verifier = parseVerifierKey('PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW');
    const text =
      "If you think cryptography is the answer to your problem,\nthen you don't know what your problem is.\n";
    const note = `${text}\n— PeterNeumann x08go/ZJkuBS9UG/SffcvIAQxVBtiFupLLr8pAcElZInNIuGUgYN1FFYC2pZSNXgKvqfqdngotpRZb6KE6RyyBwJnAM=\n`;
    assert.equal(openNote(note, [verifier]).text, text);
    assert.throws(() => openNote(note.replace('problem is', 'problem was'), [verifier]), NoteError);
  });

  it('is refused when a known key signed something else, whoever else signed', () => {
    const note = signNote('a\n', [log, witness]);
    const [, own] = signNote('b\n', [log]).split('\n\n');
    const mixed = note.replace(/— ehr.example\/log .*\n/, own);
    assert.throws(
      () => openNote(mixed, [noteVerifier(log.name, log.publicKey), noteVerifier(witness.name, witness.publicKey)]),
      NoteError,
    );
  });
});

describe('a checkpoint', () => {
  it('has the three lines of the specification and is read back', () => {
    const note = signCheckpoint(checkpoint, [log]);
    assert.ok(
      note.startsWith('ehr.example/log\n20852163\nBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwc=\n\n— ehr.example/log '),
    );
    assert.deepEqual(openCheckpoint(note, 'ehr.example/log', [noteVerifier(log.name, log.publicKey)]), checkpoint);
  });

  it('is refused for another log, and with another size', () => {
    const note = signCheckpoint(checkpoint, [log]);
    const verifiers = [noteVerifier(log.name, log.publicKey)];
    assert.throws(() => openCheckpoint(note, 'other.example/log', verifiers), NoteError);
    assert.throws(() => openCheckpoint(note.replace('20852163', '20852164'), 'ehr.example/log', verifiers), NoteError);
    const odd = signNote('ehr.example/log\n007\nBwc=\n', [log]);
    assert.throws(() => openCheckpoint(odd, 'ehr.example/log', verifiers), new NoteError('not a checkpoint'));
  });
});
