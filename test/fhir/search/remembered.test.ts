import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { SearchContext } from '../../../src/fhir/search/context.js';
import { parseRemembered } from '../../../src/fhir/search/remembered.js';
import { testContext } from './memory-index.js';

const ask = (context: SearchContext, query: string, handling: 'strict' | 'lenient' = 'strict') =>
  parseRemembered(context, 'Patient', [...new URLSearchParams(query)], handling);

test('a question that was asked before is not parsed again; another one, or the same in another way, is', () => {
  const context = testContext();
  const first = ask(context, 'name=Quist&birthdate=ge2000');
  assert.equal(ask(context, 'name=Quist&birthdate=ge2000'), first);
  assert.notEqual(ask(context, 'name=Quist&birthdate=ge2001'), first);
  assert.notEqual(ask(context, 'name=Quist&birthdate=ge2000', 'lenient'), first);
  const inside: SearchContext = { ...context, compartment: { type: 'Patient', id: 'p' } };
  assert.notEqual(ask(inside, 'name=Quist&birthdate=ge2000'), first);
});

test('what depends on the time, on a value set or on an index that makes up for a parameter is asked anew', () => {
  const terminology = { expand: () => [{ code: 'male' }], related: () => [] };
  const context = testContext({ terminology });
  for (const query of ['birthdate=ap2000', 'gender:in=http://vs']) {
    assert.notEqual(ask(context, query), ask(context, query), query);
  }
  const late = testContext({ opens: ({ code }) => code === 'gender' });
  assert.notEqual(ask(late, 'gender=other'), ask(late, 'gender=other'));
  assert.equal(ask(late, 'active=true'), ask(late, 'active=true'));
});

test('after the index key was rotated, questions get terms under the new one', () => {
  const context = testContext();
  const { blinder } = context;
  const at = (epoch: number): SearchContext => ({
    ...context,
    blinder: { epoch, term: (text) => blinder.term(`${epoch}${text}`), pack: (texts) => blinder.pack(texts) },
  });
  const before = ask(at(1), 'name=Sundin');
  assert.equal(ask(at(1), 'name=Sundin'), before);
  assert.notDeepEqual(ask(at(2), 'name=Sundin').plan, before.plan);
});
