import assert from 'node:assert/strict';
import { existsSync } from 'node:fs';
import { describe, it } from 'node:test';
import { fileURLToPath } from 'node:url';
import path from 'node:path';
import { allowedImports, importsOf, violations } from './imports.js';

const src = fileURLToPath(new URL('../../../src', import.meta.url));

describe('imports', () => {
  it('point downwards only, and adapters are wired by the composition root alone', () => {
    const imports = importsOf(src);
    assert.ok(imports.length > 50, 'the imports were found');
    assert.deepEqual(violations(imports), []);
  });

  it('that are planted against the table are found', () => {
    const planted = [
      { from: 'vault/vault.ts', to: 'fhir/router.ts' },
      { from: 'commit/committer.ts', to: 'fhir/http/app.ts' },
      { from: 'fhir/router.ts', to: 'commit/sqlite/sqlite-catalog.ts' },
      { from: 'base/json.ts', to: 'config.ts' },
    ];
    for (const violation of planted) assert.equal(violations([violation]).length, 1, JSON.stringify(violation));
    assert.deepEqual(violations([{ from: 'fhir/router.ts', to: 'commit/catalog.ts' }]), []);
    assert.deepEqual(violations([{ from: 'server.ts', to: 'commit/sqlite/sqlite-catalog.ts' }]), []);
  });

  it('table names only what exists', () => {
    for (const name of Object.keys(allowedImports)) assert.ok(existsSync(path.join(src, name)), name);
  });
});
