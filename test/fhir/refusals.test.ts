import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { fhirError } from '../../src/base/outcome.js';
import { refusalGridMs, withRefusals } from '../../src/fhir/refusals.js';
import type { Context, FhirRequest } from '../../src/fhir/request.js';

describe('answers of "not known"', () => {
  const services = { accessLog: { append: () => Promise.resolve() }, clock: { now: () => 0 } } as never;
  const request = { method: 'GET', path: ['Patient', 'x'], query: [], headers: {} } as unknown as FhirRequest;
  const context = () =>
    ({ baseUrl: '', principal: { actor: 'Practitioner/dr', scopes: [], memberships: [] } }) as unknown as Context;

  /** How long the door took for work of so many milliseconds that ends in this status. */
  async function timeOf(workMs: number, status: number): Promise<number> {
    const began = performance.now();
    const handle = withRefusals(services, async () => {
      const until = performance.now() + workMs;
      while (performance.now() < until) await sleep(0);
      throw fhirError(status, 'not-found', 'x');
    });
    await assert.rejects(handle(request, context()));
    return performance.now() - began;
  }

  it('leave on a grid of time, however long it took to find out; other answers leave at once', async () => {
    for (const workMs of [0, 1, 3, 6, 9, 12]) {
      const least = Math.ceil((workMs + 0.01) / refusalGridMs) * refusalGridMs;
      const taken = await timeOf(workMs, 404);
      // Timers may end a fraction of a millisecond early.
      assert.ok(taken >= least - 1, `${workMs} ms of work: ${taken} ms, expected ${least} or a later step`);
    }
    const once = await Promise.all(Array.from({ length: 20 }, () => timeOf(0, 422)));
    assert.ok(
      Math.min(...once) < refusalGridMs / 2,
      `a refusal that tells nothing waits for nothing: ${Math.min(...once)} ms`,
    );
  });
});
