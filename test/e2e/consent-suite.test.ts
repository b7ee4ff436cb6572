import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { runConsentSuite } from '../consent/http-suite.js';
import { TestServer } from './server.js';

describe('the consent cases over HTTP', () => {
  // The cases for the implicit policy permit: CONSENT_SUITE=all, or npm run consent-suite -- URL --implicit permit.
  const policies = process.env['CONSENT_SUITE'] === 'all' ? (['deny', 'permit'] as const) : (['deny'] as const);
  for (const implicit of policies) {
    it(`are decided as they say, with the implicit policy ${implicit}`, async () => {
      const server = await TestServer.start({
        DEFAULT_CONSENT: implicit,
        UPDATE_CREATE: 'on',
        REFERENTIAL_INTEGRITY: 'off',
        CONSENT_AUTHORS: 'any',
        CONSENT_POLICIES: 'http://example.org/known=none',
      });
      try {
        const results = await runConsentSuite({
          baseUrl: server.baseUrl,
          implicit,
          adminToken: await server.tokenFor({}),
          token: (request) => server.tokenFor(request),
        });
        const failed = results.filter(({ outcome }) => outcome === 'failed');
        assert.deepEqual(failed, []);
        assert.equal(results.length, 310);
        const skipped = results.filter(({ outcome }) => outcome === 'skipped').length;
        assert.ok(skipped < 60, `${skipped} of ${results.length} cases cannot be asked`);
      } finally {
        await server.stop();
      }
    });
  }
});
