import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { after, test } from 'node:test';
import { leafContext } from '../../src/anchoring/leaf.js';
import { wrapKey, wrappingKey } from '../../src/vault/key-wrap.js';
import { sealContent } from '../../src/vault/sealing.js';
import { SealingThread } from '../../src/wiring/sealing/sealing-thread.js';

const context = leafContext(Buffer.alloc(32), 'https://example.org/fhir');
const thread = new SealingThread(() => context);
after(() => thread.close());

/** A content sealed under a data key of its own, and that one under `key`. */
async function sealed(key: ReturnType<typeof wrappingKey>, reference: string, content: Buffer) {
  const dataKey = randomBytes(32);
  const { blocks } = await sealContent(dataKey, reference, content);
  return { key, wrapped: wrapKey(key, dataKey), reference, block: blocks.at(-1)!.bytes };
}

test('many contents, of several compartments, are opened beside the thread that asks, in their order', async () => {
  const keys = [wrappingKey(randomBytes(32)), wrappingKey(randomBytes(32))];
  const texts = Array.from({ length: 60 }, (_, index) => Buffer.from(`{"a":"${'x'.repeat(index * 50)}"}`));
  const contents = await Promise.all(texts.map((text, index) => sealed(keys[index % 2], `Patient/${index}/1`, text)));
  const opened = await thread.open(contents);
  assert.deepEqual(opened.map((bytes) => Buffer.from(bytes!)), texts); // prettier-ignore
  assert.deepEqual(await thread.open([]), []);
});

test('what another key, another place or chunks keep shut is left to whoever asked; the others open', async () => {
  const key = wrappingKey(randomBytes(32));
  const text = Buffer.from('{"resourceType":"Patient"}');
  const good = await sealed(key, 'Patient/1/1', text);
  const chunked = await sealed(key, 'Patient/2/1', randomBytes(1_500_000));
  const altered = Uint8Array.from(good.block);
  altered[40] ^= 1;
  const opened = await thread.open([
    { ...good, key: wrappingKey(randomBytes(32)) },
    { ...good, reference: 'Patient/1/2' },
    { ...good, block: altered },
    chunked,
    good,
  ]);
  assert.deepEqual(
    opened.map((bytes) => bytes && Buffer.from(bytes).toString()),
    [undefined, undefined, undefined, undefined, text.toString()],
  );
});
