import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { describe, it } from 'node:test';
import { EXACT, numberText } from '../../src/base/exact-numbers.js';
import { parseJson, parseJsonInSlices, stringifyJson } from '../../src/base/json.js';
import { JsonError } from '../../src/base/json-parser.js';

const corpus = new URL('../../../../shared/corpus/', import.meta.url);

function refusal(text: string): JsonError {
  try {
    parseJson(text);
  } catch (error) {
    if (error instanceof JsonError) return error;
    throw error;
  }
  throw new Error(`${text} was accepted`);
}

describe('parseJson', () => {
  it('gives what JSON.parse gives, on every resource of the throughput corpus', () => {
    for (const line of readFileSync(new URL('throughput/mixed-2000.ndjson', corpus), 'utf8').trim().split('\n')) {
      assert.equal(JSON.stringify(parseJson(line)), JSON.stringify(JSON.parse(line)));
    }
  });

  it('agrees with JSON.parse on what is JSON', () => {
    const texts = [
      '{"a":1,}', '[1,]', '{a:1}', "{'a':1}", '[1 2]', '{"a" 1}', '01', '1.', '.5', '-', '+1', '1e', '1e+', 'tru', 'nul', '"', '"\\x"', '"\\u12"',
      '"a\nb"', '{', '[', '', ' ', '{}x', '[]]', 'NaN', 'Infinity', '-0', '0', '1E5', '"\\u0041\\n\\\\"', '[[],{}]', '{"__proto__":1}', '"\u2028"',
      '{"a":"\\u005c\\""}', '\t\r\n [ ] ', '-1.5e-7', '0x10', '1_000', '"\\', '{"a":}', '{"a":1 "b":2}', '[,1]', '\u00a0[]', '2.5.1', '1-2',
    ]; // prettier-ignore
    for (const text of texts) {
      let expected: string | undefined;
      try {
        expected = JSON.stringify(JSON.parse(text));
      } catch {
        expected = undefined;
      }
      let found: string | undefined;
      try {
        found = JSON.stringify(parseJson(text));
      } catch (error) {
        assert.ok(error instanceof JsonError, `${text}: ${String(error)}`);
      }
      assert.equal(found, expected, text);
    }
  });

  it('keeps the text of numbers that JavaScript would print otherwise, and only of those', () => {
    const text = '{"a":1.00,"b":1.5,"c":[0.10,3,1e3],"d":12345678901234567890,"e":-0.0}';
    const value = parseJson(text) as { a: number; b: number; c: number[] };
    assert.equal(value.a, 1);
    assert.equal(numberText(value, 'a'), '1.00');
    assert.equal(numberText(value, 'b'), '1.5');
    assert.equal(numberText(value.c, 0), '0.10');
    assert.equal(stringifyJson(value), text);
    assert.equal(stringifyJson({ ...value }), text);
    assert.equal(EXACT in (parseJson('{"a":1.5}') as object), false);
  });

  it('names a member that stands twice, with its place', () => {
    const error = refusal('{\n  "id": "a",\n  "id": "b"\n}');
    assert.deepEqual([error.kind, error.line, error.column], ['duplicate-key', 3, 3]);
    assert.match(error.message, /"id"/);
    parseJson('{"toString":1,"constructor":2}');
  });

  it('refuses 257 levels and takes 256', () => {
    assert.equal(refusal('['.repeat(257) + ']'.repeat(257)).kind, 'depth');
    parseJson('['.repeat(256) + ']'.repeat(256));
    assert.equal(refusal('{"a":'.repeat(100_000)).kind, 'depth');
  });

  it('says where broken text breaks, and what was expected', () => {
    const error = refusal('{"a": 1,\n "b" 2}');
    assert.deepEqual([error.line, error.column], [2, 6]);
    assert.match(error.message, /found "2" where ":" was expected/);
  });

  it('parses in slices to the same value, pausing in between', async () => {
    const text = readFileSync(new URL('synthea/01-practitioners.json', corpus), 'utf8');
    let pauses = 0;
    const pause = () => {
      pauses += 1;
      return Promise.resolve();
    };
    assert.equal(stringifyJson(await parseJsonInSlices(text, pause, 0)), stringifyJson(parseJson(text)));
    assert.ok(pauses > 10);
    assert.deepEqual(await parseJsonInSlices(' [1] ', pause), [1]);
    assert.deepEqual(await parseJsonInSlices('{"a":[],"b":[1,[2]],"c":{}}', pause), { a: [], b: [1, [2]], c: {} });
    await assert.rejects(parseJsonInSlices('{"a":[1,2}', pause), JsonError);
    await assert.rejects(parseJsonInSlices('{"a":[],"a":[]}', pause), JsonError);
  });
});

describe('stringifyJson', () => {
  it('prints what JSON.stringify prints', () => {
    const value = {
      a: 'x"\\\n\u0001é😀',
      b: [true, false, null, 1.5, []],
      c: { d: {} },
      e: undefined,
      lone: '\ud800',
      'k"': 1,
    };
    assert.equal(stringifyJson(value), JSON.stringify(value));
  });
});
